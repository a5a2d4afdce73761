"""What the demo and `make run` read from the environment, and how they tell of it."""

import socket

import pytest

from contracts.environment import SettingError
from sandbox.run import settings
from sandbox.run.cli import without_password
from sandbox.run.system import announcement

REAL = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1,whsec_2"}


def test_nothing_set_means_start_everything() -> None:
    """With an empty environment broker, database and simulator are all ours."""
    chosen = settings.for_run({})
    assert (chosen.rabbitmq_url, chosen.mongo_uri, chosen.real) == (None, None, None)


def test_a_taken_default_port_gives_way() -> None:
    """When somebody has the ingress's usual port, a free one is taken."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", settings.INGRESS_PORT))
            taken.listen()
        except OSError:
            pass  # somebody has it indeed
        assert settings.for_run({}).port == 0


def test_a_port_that_is_set_is_kept() -> None:
    """What the user asks for is not second-guessed."""
    assert settings.for_run({"PORT": "7001", "WORKER_PORT": "7002"}).port == 7001


def test_a_secret_key_needs_its_webhook_secret() -> None:
    """Stripe itself cannot be used without both, and the error names the one that is missing."""
    with pytest.raises(SettingError, match="need STRIPE_WEBHOOK_SECRET"):
        settings.for_run({"STRIPE_SECRET_KEY": "sk_test_1"})


def test_a_real_key_chooses_stripe_itself() -> None:
    """Key and secrets are handed on as they were given."""
    chosen = settings.for_run(REAL)
    assert chosen.real is not None
    assert (chosen.real.secret_key, chosen.real.webhook_secret) == ("sk_test_1", "whsec_1,whsec_2")


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
def test_a_live_key_is_refused(key: str) -> None:
    """`make run` never moves real money."""
    with pytest.raises(SettingError, match="live key"):
        settings.for_run(REAL | {"STRIPE_SECRET_KEY": key})


def test_secrets_stay_out_of_tracebacks() -> None:
    """Neither key nor addresses show in the settings' representation."""
    shown = repr(settings.for_run(REAL | {"RABBITMQ_URL": "amqp://a:hush@b/"}))
    assert "sk_test_1" not in shown
    assert "whsec" not in shown
    assert "hush" not in shown


def test_the_demo_never_charges_anybody() -> None:
    """A key in the environment is not even read by the demo."""
    assert settings.for_demo(REAL).real is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:secret@host:5672/", "amqp://user:***@host:5672/"),
        ("mongodb://user:secret@a:1,b:2/payments", "mongodb://user:***@a:1,b:2/payments"),
        ("mongodb://127.0.0.1:27017/", "mongodb://127.0.0.1:27017/"),
    ],
)
def test_a_given_password_is_not_shown(url: str, shown: str) -> None:
    """An address that was given is printed without its password."""
    assert without_password(url) == shown


def test_a_process_says_where_it_listens() -> None:
    """The address is read from the process's own log line, among others."""
    log = '{"event": "starting"}\nnoise\n{"host": "0.0.0.0", "port": 7001, "event": "listening"}\n'
    assert announcement(log)["port"] == 7001


def test_half_a_line_says_nothing_yet() -> None:
    """A line that is still being written is not read."""
    assert announcement('{"port": 7001, "event": "listening"') == {}
