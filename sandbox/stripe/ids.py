"""Object ids that look like Stripe's: a prefix and letters and digits, repeatable when seeded."""

import random
import string

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 24  # what Stripe's newer ids have after the prefix
SECRET_LENGTH = 25
REQUEST_LENGTH = 14


class Ids:
    """One stream of random ids. The same seed and the same calls give the same ids."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def new(self, prefix: str, length: int = ID_LENGTH) -> str:
        return f"{prefix}_{''.join(self._random.choices(ALPHABET, k=length))}"

    def request(self) -> str:
        return self.new("req", REQUEST_LENGTH)

    def client_secret(self, object_id: str) -> str:
        return f"{object_id}_secret_{''.join(self._random.choices(ALPHABET, k=SECRET_LENGTH))}"
