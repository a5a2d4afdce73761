"""Whether the database is away, or is there and not who it should be: the driver calls both a timeout."""

import re

from worker.errors import StoreUnavailable, StoreUntrusted

_REASON = re.compile(r"certificate verify failed: (.+?) \(_ssl\.c")
"""As Python's ssl module words what OpenSSL finds. Of the error itself the driver keeps nothing but its text."""


def refuse_untrusted(error: StoreUnavailable) -> None:
    """Raise StoreUntrusted, with what OpenSSL found, if a certificate is why the database could not be used."""
    found = _REASON.search(str(error.__cause__))
    if found is not None:
        raise StoreUntrusted(f"the database's certificate is not trusted: {found[1]}") from error
