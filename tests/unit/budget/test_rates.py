"""Which share of Stripe's requests a worker takes when nobody says."""

import pytest

from contracts.environment import SettingError
from worker.settings import read

SOUND = {"RABBITMQ_URL": "amqp://127.0.0.1/", "MONGO_URI": "mongodb://127.0.0.1/", "STRIPE_SECRET_KEY": "sk_test_1"}


@pytest.mark.parametrize(
    ("variables", "rate"),
    [
        ({}, 25),
        ({"STRIPE_SECRET_KEY": "sk_live_1"}, 100),
        ({"STRIPE_SECRET_KEY": "rk_live_1"}, 100),
        ({"STRIPE_API_BASE": "https://api.stripe.com"}, 25),
        ({"STRIPE_API_BASE": "http://stripe:12111"}, 1000),
        ({"STRIPE_RATE": "8", "STRIPE_SECRET_KEY": "sk_live_1"}, 8),
        ({"STRIPE_RATE": "", "COVERAGE_EVERY_S": ""}, 25),
    ],
)
def test_the_share_follows_the_key(variables: dict[str, str], rate: int) -> None:
    """All that Stripe takes: 100 with a live key, 25 with a test key, without a limit where it is not Stripe; or as told."""
    chosen = read(SOUND | variables)
    assert (chosen.stripe_rate, chosen.coverage_every_s) == (rate, 60)


@pytest.mark.parametrize(("name", "value"), [("STRIPE_RATE", "0"), ("STRIPE_RATE", "many"), ("COVERAGE_EVERY_S", "0")])
def test_a_share_that_is_none_is_refused(name: str, value: str) -> None:
    """A rate or a pause that is no whole number above zero ends the start by name."""
    with pytest.raises(SettingError, match=name):
        read(SOUND | {name: value})
