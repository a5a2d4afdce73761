"""What the program says about its settings before it starts."""

import ipaddress
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import limits
import pytest

from contracts.environment import SettingError
from webhook_ingress import settings
from webhook_ingress.__main__ import main
from webhook_ingress.settings import Api, Group, RateLimits, Settings, Tokens

BROKER = {"RABBITMQ_URL": "amqp://app:hush@broker:5672/payments"}
WEBHOOK = {**BROKER, "STRIPE_WEBHOOK_SECRET": "whsec_hush"}
TOKENS = {"JWT_SECRET": "hush-" * 8, "JWT_ISSUER": "https://accounts.example", "JWT_AUDIENCE": "payments"}
SOUND = {**WEBHOOK, **TOKENS}


def api_of(variables: Mapping[str, str]) -> Api:
    chosen = settings.read(variables).api
    assert chosen is not None
    return chosen


def test_the_defaults() -> None:
    """The broker, the webhook's secret and what makes a token sound are needed; the others have defaults."""
    assert settings.read(SOUND) == Settings(
        rabbitmq_url=SOUND["RABBITMQ_URL"],
        webhook_secrets=("whsec_hush",),
        host="0.0.0.0",
        port=5005,
        deployment="default",
        log_level="INFO",
        routes=frozenset({Group.WEBHOOK, Group.PUBLIC, Group.ADMIN}),
        rates=RateLimits(
            standard=limits.parse("100 per 15 minutes"),
            sensitive=limits.parse("10 per 15 minutes"),
            address=limits.parse("600 per 15 minutes"),
            storage="memory://",
        ),
        trusted_proxies=(),
        api=Api(
            tokens=Tokens(
                issuer="https://accounts.example",
                audience="payments",
                secrets=("hush-" * 8,),
                roles_claim="roles",
                leeway_s=30,
            ),
            admin_role="admin",
            intent_roles=None,
            answer_timeout_s=9,
            allowed_origins=(),
        ),
    )


def test_webhooks_alone_need_no_tokens() -> None:
    """A process that serves nothing but webhooks starts without a word about tokens."""
    chosen = settings.read({**WEBHOOK, "ROUTES": "webhook"})
    assert (chosen.routes, chosen.api) == (frozenset({Group.WEBHOOK}), None)


def test_the_api_alone_needs_no_webhook_secret() -> None:
    """A process that serves no webhooks starts without their secret."""
    chosen = settings.read({**BROKER, **TOKENS, "ROUTES": "public, admin"})
    assert chosen.webhook_secrets == ()
    assert chosen.api is not None


@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE"])
@pytest.mark.parametrize("routes", ["public", "admin", "webhook,public", ""])
def test_the_api_needs_what_makes_a_token_sound(name: str, routes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With public or admin routes a missing setting of tokens ends the process by its name."""
    variables = {key: value for key, value in SOUND.items() if key != name} | {"ROUTES": routes}
    assert main([], variables) == 2
    assert f"need {name}" in capsys.readouterr().err


def test_public_keys_come_from_an_address_or_a_file() -> None:
    """Instead of a secret a JWKS is named, by exactly one of two settings."""
    told = {**WEBHOOK, "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
    assert api_of({**told, "JWKS_URL": "https://accounts.example/jwks"}).tokens.jwks_url is not None
    assert api_of({**told, "JWKS_FILE": "/etc/jwks.json"}).tokens.jwks_file == Path("/etc/jwks.json")
    with pytest.raises(SettingError, match="JWT_SECRET and JWKS_URL are both set"):
        settings.read({**SOUND, "JWKS_URL": "https://accounts.example/jwks"})


def test_lists_are_separated_by_commas() -> None:
    """Proxies, origins, roles and rotated secrets may be several."""
    chosen = settings.read(
        {
            **SOUND,
            "TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::1",
            "ALLOWED_ORIGINS": "https://shop.example, http://localhost:3000",
            "INTENT_ROLES": "order-service, desk",
            "JWT_SECRET": f"{'a' * 32}, {'b' * 32}",
        }
    )
    assert chosen.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::1"))
    assert chosen.api is not None
    assert chosen.api.allowed_origins == ("https://shop.example", "http://localhost:3000")
    assert chosen.api.intent_roles == frozenset({"order-service", "desk"})
    assert chosen.api.tokens.secrets == ("a" * 32, "b" * 32)


def test_several_secrets_are_separated_by_commas() -> None:
    """While a secret is rotated there are two."""
    chosen = settings.read({**SOUND, "STRIPE_WEBHOOK_SECRET": "whsec_a, whsec_b"})
    assert chosen.webhook_secrets == ("whsec_a", "whsec_b")


def test_secrets_may_be_files(tmp_path: Path) -> None:
    """NAME_FILE names a file that holds the secret, for each that can be one."""
    told = {
        "RABBITMQ_URL": "amqps://broker/",
        "STRIPE_WEBHOOK_SECRET": "whsec_a,whsec_b",
        "JWT_SECRET": "s" * 32,
        "RATE_LIMIT_STORAGE": "redis://:hush@store/",
    }
    variables = {"JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}
    for name, value in told.items():
        (tmp_path / name).write_text(f"{value}\n")
        variables[f"{name}_FILE"] = str(tmp_path / name)
    chosen = settings.read(variables)
    assert chosen.rabbitmq_url == "amqps://broker/"
    assert chosen.webhook_secrets == ("whsec_a", "whsec_b")
    assert chosen.rates.storage == "redis://:hush@store/"
    assert api_of(variables).tokens.secrets == ("s" * 32,)


def test_settings_do_not_print_their_secrets() -> None:
    """A traceback that shows the settings shows no secret."""
    assert "hush" not in repr(settings.read({**SOUND, "RATE_LIMIT_STORAGE": "redis://:hush@store/"}))


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
        ("ROUTES", "hush"),
        ("ROUTES", "public,hush"),
        ("TRUSTED_PROXIES", "hush"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("JWT_SECRET", "hush"),
        ("JWT_SECRET", "hush-too-short-by-one-byte-1234"),
        ("JWT_SECRET", "a-secret-that-is-long-enough-1234567890,hush"),
        ("JWT_LEEWAY_S", "301"),
        ("ANSWER_TIMEOUT_S", "0"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "hush.example"),
        ("ALLOWED_ORIGINS", "https://shop.example/hush"),
        ("ALLOWED_ORIGINS", "https://hush:port"),
        ("RATE_LIMIT_STANDARD", "hush"),
        ("RATE_LIMIT_SENSITIVE", "0/minute"),
        ("RATE_LIMIT_ADDRESS", "100"),
        ("RATE_LIMIT_STORAGE", "hush"),
        ("RATE_LIMIT_STORAGE", "hush://store"),
        ("RATE_LIMIT_STORAGE", "memcached://hush:11211"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that names the setting and keeps its value."""
    assert main([], {**SOUND, name: value}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert name in told.err
    assert "hush" not in told.err


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """--help exits 0, needs no settings, and explains all of them."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"], {})
    told = capsys.readouterr().out
    for name in (*SOUND, "PORT", "HOST", "DEPLOYMENT", "LOG_LEVEL", "ROUTES", "RATE_LIMIT_STORAGE", "_FILE"):
        assert name in told


def test_the_program_imports_neither_the_sdk_nor_a_database() -> None:
    """What faces the internet carries no Stripe SDK, no database driver, no worker and no sandbox."""
    code = "import sys, webhook_ingress.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"stripe", "pymongo", "worker", "sandbox", "aiohttp"} & set(done.stdout.split())
    assert "webhook_ingress" in done.stdout.split()
