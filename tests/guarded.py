"""A private broker with the logins of deploy/rabbitmq, each with a password of its own."""

import json
import secrets
from base64 import b64encode
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from contracts.definitions import definitions, read_hashes
from contracts.logins import LOGINS
from sandbox.stack.choose import PrivateBroker

PATIENCE_S = 30.0


def new_passwords() -> dict[str, str]:
    """A password by the setting that names it."""
    return {login.password: secrets.token_hex(16) for login in LOGINS}


def as_login(url: str, name: str, password: str) -> str:
    """The address for another login."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port}").geturl()


class Guarded:
    """The broker, and its address for each service by the name of its login. `guest` is still there, to look behind."""

    def __init__(self, broker: PrivateBroker) -> None:
        self.broker = broker
        self.passwords = new_passwords()

    def url(self, name: str) -> str:
        setting = next(login.password for login in LOGINS if login.name == name)
        return as_login(self.broker.url, name, self.passwords[setting])

    def bring(self, hashes: dict[str, str] | None = None) -> None:
        """Import the definitions, with our passwords unless other hashes are given."""
        content = definitions(read_hashes(self.passwords) if hashes is None else hashes)
        place = urlsplit(self.broker.management_url)
        login = b64encode(f"{place.username}:{place.password}".encode()).decode()
        request = Request(
            f"{place.scheme}://{place.hostname}:{place.port}/api/definitions",
            data=json.dumps(content).encode(),
            headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=PATIENCE_S):
            pass
