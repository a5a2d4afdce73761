"""What `make demo` and `make run` read from the environment: the settings of the services themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.environment import Environment, SettingError
from sandbox.stack.ports import is_free

INGRESS_PORT, WORKER_PORT = 5005, 5006
"""The services' defaults: kept when they are free, so that addresses are the same every day."""

STRIPE = "https://api.stripe.com"

LIVE_KEYS = ("sk_live_", "rk_live_")


@dataclass(frozen=True)
class Real:
    """Stripe itself, in its test mode; or whatever answers like it at `api_base`."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    publishable_key: str
    api_base: str


@dataclass(frozen=True)
class Settings:
    """None means: start one. Port 0 means: any free one. `real` None means: the simulator."""

    rabbitmq_url: str | None = field(default=None, repr=False)
    mongo_uri: str | None = field(default=None, repr=False)
    port: int = 0
    worker_port: int = 0
    deployment: str = "default"
    log_level: str = "INFO"
    real: Real | None = field(default=None, repr=False)


def for_demo(variables: Mapping[str, str]) -> Settings:
    """Only where the broker and the database are; a demo never charges anybody."""
    environment = Environment(variables)
    return Settings(
        rabbitmq_url=_optional_url(environment, "RABBITMQ_URL", "amqp", "amqps"),
        mongo_uri=_optional_url(environment, "MONGO_URI", "mongodb", "mongodb+srv"),
        deployment="demo",
        log_level=environment.log_level(),
    )


def for_run(variables: Mapping[str, str]) -> Settings:
    """Raises SettingError, also for a key that moves real money."""
    environment = Environment(variables)
    return Settings(
        rabbitmq_url=_optional_url(environment, "RABBITMQ_URL", "amqp", "amqps"),
        mongo_uri=_optional_url(environment, "MONGO_URI", "mongodb", "mongodb+srv"),
        port=_port(environment, "PORT", INGRESS_PORT),
        worker_port=_port(environment, "WORKER_PORT", WORKER_PORT),
        deployment=environment.text("DEPLOYMENT", "default"),
        log_level=environment.log_level(),
        real=_real(environment),
    )


def _real(environment: Environment) -> Real | None:
    key = environment.secret("STRIPE_SECRET_KEY", "")
    if not key:
        return None
    if key.startswith(LIVE_KEYS):
        raise SettingError("STRIPE_SECRET_KEY is a live key: `make run` is for trying things out, give it a test key")
    return Real(
        secret_key=key,
        webhook_secret=",".join(environment.secrets("STRIPE_WEBHOOK_SECRET")),
        publishable_key=environment.text("STRIPE_PUBLISHABLE_KEY", ""),
        api_base=environment.url("STRIPE_API_BASE", "http", "https", default=STRIPE),
    )


def _optional_url(environment: Environment, name: str, *schemes: str) -> str | None:
    return environment.url(name, *schemes) if environment.secret(name, "") else None


def _port(environment: Environment, name: str, usual: int) -> int:
    """What is set is taken at its word; the default gives way to whoever has it already."""
    chosen = environment.port(name, -1) if environment.text(name, "") else None
    if chosen is not None:
        return chosen
    return usual if is_free(usual) else 0
