"""What the program says about its settings before it starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from webhook_ingress import settings
from webhook_ingress.__main__ import main

SOUND = {"RABBITMQ_URL": "amqp://app:hush@broker:5672/payments", "STRIPE_WEBHOOK_SECRET": "whsec_hush"}


def test_the_defaults() -> None:
    """Two settings are needed; the others have defaults."""
    assert settings.read(SOUND) == settings.Settings(
        rabbitmq_url=SOUND["RABBITMQ_URL"],
        webhook_secrets=("whsec_hush",),
        host="0.0.0.0",
        port=5005,
        deployment="default",
        log_level="INFO",
    )


def test_several_secrets_are_separated_by_commas() -> None:
    """While a secret is rotated there are two."""
    chosen = settings.read({**SOUND, "STRIPE_WEBHOOK_SECRET": "whsec_a, whsec_b"})
    assert chosen.webhook_secrets == ("whsec_a", "whsec_b")


def test_secrets_may_be_files(tmp_path: Path) -> None:
    """NAME_FILE names a file that holds the secret, for each of the two."""
    (tmp_path / "url").write_text("amqps://broker/\n")
    (tmp_path / "secret").write_text("whsec_a,whsec_b\n")
    chosen = settings.read(
        {"RABBITMQ_URL_FILE": str(tmp_path / "url"), "STRIPE_WEBHOOK_SECRET_FILE": str(tmp_path / "secret")}
    )
    assert chosen.rabbitmq_url == "amqps://broker/"
    assert chosen.webhook_secrets == ("whsec_a", "whsec_b")


def test_settings_do_not_print_their_secrets() -> None:
    """A traceback that shows the settings shows no secret."""
    assert "hush" not in repr(settings.read(SOUND))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RABBITMQ_URL", ""),
        ("RABBITMQ_URL", "hush"),
        ("RABBITMQ_URL", "http://hush/"),
        ("RABBITMQ_URL", "amqp://"),
        ("RABBITMQ_URL", "amqp://:5672"),
        ("RABBITMQ_URL", "amqp://app:hush@broker:port/"),
        ("RABBITMQ_URL", "amqp://app:hush@broker:99999/"),
        ("RABBITMQ_URL", "amqp://[hush/"),
        ("STRIPE_WEBHOOK_SECRET", ""),
        ("STRIPE_WEBHOOK_SECRET", "   "),
        ("STRIPE_WEBHOOK_SECRET", "hush,"),
        ("STRIPE_WEBHOOK_SECRET", ","),
        ("STRIPE_WEBHOOK_SECRET", "hush,,hush"),
        ("STRIPE_WEBHOOK_SECRET_FILE", "/nowhere/hush"),
        ("PORT", "hush"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("LOG_LEVEL", "hush"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that names the setting and keeps its value."""
    assert main([], {**SOUND, name: value}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert name in told.err
    assert "hush" not in told.err.replace("whsec_hush", "")


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """--help exits 0, needs no settings, and explains all of them."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"], {})
    told = capsys.readouterr().out
    for name in ("RABBITMQ_URL", "STRIPE_WEBHOOK_SECRET", "PORT", "HOST", "DEPLOYMENT", "LOG_LEVEL", "_FILE"):
        assert name in told


def test_the_program_imports_neither_the_sdk_nor_a_database() -> None:
    """What faces the internet carries no Stripe SDK, no database driver, no worker and no sandbox."""
    code = "import sys, webhook_ingress.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"stripe", "pymongo", "worker", "sandbox", "aiohttp"} & set(done.stdout.split())
    assert "webhook_ingress" in done.stdout.split()
