"""What is secret or personal, by the name of a field and by the shape of a text (docs/reliability.md, rule 25).

For what comes from outside and must be kept although nothing is known about it: dead letters. Where in doubt, it goes.
"""

import re
from itertools import pairwise
from typing import Any

REDACTED = "[redacted]"

SKETCH_CHARACTERS = 2_000
"""So much of a body that cannot be read is looked at; more would tell nobody more."""

_NAMES = frozenset(
    {
        *("secret", "password", "passwd", "passphrase", "pwd", "pin", "token", "jwt", "bearer", "cookie", "session"),
        *("signature", "sig", "authorization", "credential", "credentials", "apikey"),
        *("email", "mail", "phone", "mobile", "fax", "address", "street", "city", "zip", "postcode", "postal", "ip"),
        *("name", "firstname", "lastname", "surname", "fullname", "username", "cardholder", "holder"),
        *("birth", "birthday", "birthdate", "dob", "ssn", "passport", "tax", "iban", "bic", "swift", "routing"),
        *("card", "pan", "cvc", "cvc2", "cvv", "cvv2", "cvn", "csc", "exp", "expiry", "last4"),
        *("evidence", "billing", "shipping"),
    },
)
"""A field whose name has one of these words holds nothing that is kept, but for a yes or no."""

_KEYS = frozenset({("api", "key"), ("private", "key"), ("access", "key"), ("secret", "key")})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")

_SHAPES = (
    re.compile(r"(?<!\w)\w+_secret_\w+"),  # a client secret of Stripe's
    re.compile(r"\b(?:sk|rk|pk|ek|whsec)_\w{8,}"),  # a key of Stripe's
    re.compile(r"\bv[01]=[0-9a-f]{16,}"),  # a webhook's signature
    re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"),  # a JSON Web Token
    re.compile(r"\b(?:Bearer|Basic)\s+\S+", re.IGNORECASE),
    re.compile(r"(?<!\w)\w*(?:secret|token|password|signature|api_?key)=[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(?<![^\s@\"\\,;:<>(){}\[\]])[^\s@\"\\,;:<>(){}\[\]]+@[^\s@\"\\,;:<>(){}\[\]]+"),  # an e-mail address
)
"""Each begins where a word does: a search that may begin anywhere in a long word takes its length squared."""

_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w.-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")


def redacted(value: Any) -> Any:
    """A JSON value without what is secret or personal in it, at any depth; equal to the value where there is nothing."""
    if isinstance(value, dict):
        return {scrubbed(name): _field(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, int) and not isinstance(value, bool) and scrubbed(str(value)) != str(value):
        return REDACTED
    return value


def scrubbed(text: str) -> str:
    """A text without what has the shape of a secret, an e-mail address, a card number or an account number."""
    for shape in _SHAPES:
        text = shape.sub(REDACTED, text)
    text = _CARD.sub(lambda found: REDACTED if _is_card(found.group()) else found.group(), text)
    return _IBAN.sub(lambda found: REDACTED if _is_iban(found.group()) else found.group(), text)


def _field(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    words = [word.lower() for word in _WORD.findall(name)]
    if _NAMES.intersection(words) or _KEYS.intersection(pairwise(words)):
        return REDACTED
    return redacted(value)


def _is_card(text: str) -> bool:
    """Luhn's sum: ISO/IEC 7812-1, annex B."""
    digits = [int(digit) for digit in text if digit.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check digits of ISO 13616."""
    plain = text.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[^\W_]+(?:[_.-]+[^\W_]+)*|\s+|.', re.DOTALL)
_PUNCTUATION = frozenset('{}[]:,"')
_OURS = re.compile(r"(?:pay|pi|evt|ch|py|re|pyr|du|dp|in|cus|pm|seti|issfr|prv)_[A-Za-z0-9_]{1,64}")
_KNOWN = frozenset(
    {
        *("id", "source", "type", "subject", "time", "data", "object", "specversion", "dataschema", "sequence"),
        *("datacontenttype", "correlationid", "causationid", "traceparent", "livemode", "created", "api_version"),
        *("payment_id", "order_id", "user_id", "refund_id", "dispute_id", "amount", "currency", "status", "reason"),
        *("payment_method", "return_url", "capture_method", "metadata", "description", "expires_at", "requested_by"),
        *("payment_intent", "amount_received", "charge", "event", "true", "false", "null", "request", "padding"),
        *("payment.create", "payment.confirm", "payment.cancel", "payment.capture", "payment.refund", "user.erase"),
    },
)
HIDDEN = "…"


def sketch(raw: bytes) -> str:
    """What a body that cannot be read looks like: punctuation, names that we know, ids of ours and of Stripe's.

    Every other word and number becomes an ellipsis: of text without a structure nothing says what is personal in it.
    """
    text = raw[: 4 * SKETCH_CHARACTERS].decode(errors="replace")[:SKETCH_CHARACTERS]
    drawn = "".join(map(_drawn, _PIECE.findall(text)))
    return re.sub(f"{HIDDEN}[{HIDDEN}\\s]*", HIDDEN, drawn)


def _drawn(piece: str) -> str:
    if piece in _PUNCTUATION or piece.isspace():
        return piece if piece in _PUNCTUATION else " "
    if piece.startswith('"'):
        return f'"{_drawn(piece[1:-1])}"' if len(piece) > 2 else '""'
    ours = _OURS.fullmatch(piece) and "_secret" not in piece
    return piece if piece in _KNOWN or ours else HIDDEN
