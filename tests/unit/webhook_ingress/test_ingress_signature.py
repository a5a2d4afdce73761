"""The signature check against Stripe's words, against the SDK, and against noise."""

import time

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from tests.ingress_requests import SECRET, signature_header
from webhook_ingress.signature import MAX_AHEAD_S, MAX_HEADER_BYTES, TOLERANCE_S, BadSignature, check

NOW = 1_700_000_000
BODY = b'{"id": "evt_1"}'
SECRETS = (SECRET.encode(),)
GOOD = signature_header(BODY, timestamp=NOW)
DIGEST = GOOD.partition("v1=")[2]


def test_a_header_made_by_the_sdk_is_accepted() -> None:
    """What Stripe's own library signs, we accept."""
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET)
    assert check(header.encode(), BODY, SECRETS, time.time()) is None


@pytest.mark.parametrize(
    ("header", "bad"),
    [
        (None, BadSignature.MISSING),
        ("", BadSignature.MALFORMED),
        ("nonsense", BadSignature.MALFORMED),
        (f"v1={DIGEST}", BadSignature.MALFORMED),
        (f"t={NOW}", BadSignature.MALFORMED),
        (f"t=,v1={DIGEST}", BadSignature.MALFORMED),
        (f"t=soon,v1={DIGEST}", BadSignature.MALFORMED),
        (f"t=-{NOW},v1={DIGEST}", BadSignature.MALFORMED),
        (f"t={NOW}.0,v1={DIGEST}", BadSignature.MALFORMED),
        (f"t={'9' * 5000},v1={DIGEST}", BadSignature.MALFORMED),
        (f"t={NOW},t={NOW},v1={DIGEST}", BadSignature.MALFORMED),
        (f"t={NOW},v0={DIGEST}", BadSignature.MALFORMED),
        (f"{GOOD},{'v1=0,' * MAX_HEADER_BYTES}", BadSignature.MALFORMED),
        (f"t={NOW},v1=", BadSignature.WRONG),
        (f"t={NOW},v1={'0' * 64}", BadSignature.WRONG),
        (f"t={NOW},v1={DIGEST.upper()}", BadSignature.WRONG),
        (f"t={NOW},v1={DIGEST}0", BadSignature.WRONG),
        (f"t={NOW},v1=ünïcode", BadSignature.WRONG),
        (f"t={NOW + 1},v1={DIGEST}", BadSignature.WRONG),
    ],
)
def test_a_bad_header_is_refused_by_name(header: str | None, bad: BadSignature) -> None:
    """Every way to get the header wrong has a name."""
    assert check(None if header is None else header.encode(), BODY, SECRETS, NOW) is bad


def test_a_changed_body_is_refused() -> None:
    """The signature covers every byte of the body."""
    assert check(GOOD.encode(), BODY + b" ", SECRETS, NOW) is BadSignature.WRONG


@pytest.mark.parametrize(
    ("age_s", "bad"),
    [
        (TOLERANCE_S, None),
        (TOLERANCE_S + 1, BadSignature.TOO_OLD),
        (-MAX_AHEAD_S, None),
        (-MAX_AHEAD_S - 1, BadSignature.IN_FUTURE),
    ],
)
def test_the_timestamp_must_be_near(age_s: int, bad: BadSignature | None) -> None:
    """A sound signature counts for five minutes around its timestamp, in both directions."""
    assert check(GOOD.encode(), BODY, SECRETS, NOW + age_s) is bad


@pytest.mark.parametrize("position", [0, 1, 2])
def test_any_active_secret_verifies(position: int) -> None:
    """While a secret is rotated, deliveries signed with any of the active ones are accepted."""
    secrets = [b"whsec_old", b"whsec_older"]
    secrets.insert(position, SECRET.encode())
    assert check(GOOD.encode(), BODY, secrets, NOW) is None


def test_any_of_several_signatures_verifies() -> None:
    """Stripe signs with both secrets while one is rolled; one match is enough, and other schemes are passed over."""
    header = f"t={NOW},v1={'0' * 64},v0=abc,v1={DIGEST}"
    assert check(header.encode(), BODY, SECRETS, NOW) is None


def test_a_retired_secret_is_refused() -> None:
    """A signature under a secret that is no longer active is wrong."""
    header = signature_header(BODY, "whsec_retired", NOW)
    assert check(header.encode(), BODY, SECRETS, NOW) is BadSignature.WRONG


def test_a_body_that_is_no_text_can_be_signed() -> None:
    """The raw bytes are verified, decodable or not."""
    raw = b"\xff\x00\xfe"
    assert check(signature_header(raw, timestamp=NOW).encode(), raw, SECRETS, NOW) is None


@given(st.binary(max_size=600))
def test_noise_is_refused(header: bytes) -> None:
    """No header that was not made with the secret is accepted, and none raises."""
    assert isinstance(check(header, BODY, SECRETS, NOW), BadSignature)


PIECES = st.sampled_from(["t=", "v1=", "v0=", "=", ",", " ", "t", str(NOW), "0", DIGEST, DIGEST[:-1], GOOD, "-", "_"])


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_we_accept_the_sdk_accepts(header: str) -> None:
    """We are never laxer than Stripe's own library (which trips over what is not ASCII)."""
    if check(header.encode(), BODY, SECRETS, NOW) is None:
        assert stripe.WebhookSignature.verify_header(BODY, header, SECRET)
