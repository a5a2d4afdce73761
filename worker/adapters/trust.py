"""Whether the database is away, or is there and not who it should be, or takes us for somebody who may not come in.

Of a start no waiting mends either. A running worker waits: a password that is rotated is a new one in a moment.
"""

import re

from worker.errors import StoreUnavailable, StoreUntrusted

_REASON = re.compile(r"certificate verify failed: (.+?) \(_ssl\.c")
"""As Python's ssl module words what OpenSSL finds. Of the error itself the driver keeps nothing but its text."""


LOGIN_REFUSED = 18
"""MongoDB's error code AuthenticationFailed."""


def refuse_untrusted(error: StoreUnavailable) -> None:
    """Raise StoreUntrusted, with what OpenSSL found, if a certificate or the login is why the database could not be used."""
    if getattr(error.__cause__, "code", None) == LOGIN_REFUSED:
        raise StoreUntrusted("the database refuses the login of MONGO_URI") from error
    found = _REASON.search(str(error.__cause__))
    if found is not None:
        raise StoreUntrusted(f"the database's certificate is not trusted: {found[1]}") from error
