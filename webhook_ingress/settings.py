"""What the ingress is told by its environment, read once at start."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import limits
from limits import RateLimitItem

from contracts.environment import Environment, SettingError

DEFAULT_PORT = 5005
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - a webhook comes from outside; a container has one interface to speak of

MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key for HS256 has at least as many bits as its hash."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HELP = """settings, from the environment (a name with * may also be given as NAME_FILE, the path of a mounted secret):
  RABBITMQ_URL*            the broker, amqp:// or amqps://
  RABBITMQ_CA_FILE         the system's; the authorities that an amqps:// broker is verified against
  ROUTES                   webhook,public,admin; what this process serves
  PORT                     5005; 0 takes a free one and logs it
  HOST                     0.0.0.0
  DEPLOYMENT               default; the name of this deployment, in log lines and on the broker's connection
  LOG_LEVEL                INFO; one of DEBUG, INFO, WARNING, ERROR
  TRUSTED_PROXIES          none; addresses or networks whose X-Forwarded-For is believed
  RATE_LIMIT_STORAGE*      memory://; with redis://host:6379 replicas count together

for ROUTES with webhook:
  STRIPE_WEBHOOK_SECRET*   the endpoint's signing secret; several, comma-separated, while it is rotated

for ROUTES with public or admin:
  JWT_SECRET*              verifies HS256 tokens, 32 bytes or more; several, comma-separated, while it is rotated
  JWKS_URL                 or: where the public keys of RS256 and ES256 tokens are, http:// or https://
  JWKS_FILE                or: the file that holds them
  JWT_ISSUER               what a token's `iss` must be
  JWT_AUDIENCE             what a token's `aud` must be or contain
  JWT_ROLES_CLAIM          roles; where a token says its roles; realm_access.roles looks one level down
  JWT_LEEWAY_S             30; how far clocks may be apart
  ADMIN_ROLE               admin; who has it may capture, refund, and see every payment
  INTENT_ROLES             who may open payments, comma-separated; everybody who has a token when it is not set
  ANSWER_TIMEOUT_S         9; how long a request waits for its answer before it is told where to find it
  ALLOWED_ORIGINS          none; the origins of browsers' pages, comma-separated: https://shop.example
  RATE_LIMIT_STANDARD      100/15 minutes; requests of one user
  RATE_LIMIT_SENSITIVE     10/15 minutes; captures and refunds of one user
  RATE_LIMIT_ADDRESS       600/15 minutes; requests of one address, counted before anything is known of its user

exit codes: 0 stopped by a signal, 1 the broker stayed away or the port is taken, 2 a setting is missing or malformed
"""


class Group(StrEnum):
    """Routes that are served, or not, together."""

    WEBHOOK = "webhook"
    PUBLIC = "public"
    ADMIN = "admin"


@dataclass(frozen=True)
class Tokens:
    """What makes a bearer token sound. Exactly one of `secrets`, `jwks_url` and `jwks_file` is given."""

    issuer: str
    audience: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    jwks_url: str | None = None
    jwks_file: Path | None = None
    roles_claim: str = "roles"
    leeway_s: int = 30


@dataclass(frozen=True)
class RateLimits:
    """How much anybody may ask. `storage` may hold a password."""

    standard: RateLimitItem
    sensitive: RateLimitItem
    address: RateLimitItem
    storage: str = field(repr=False)


@dataclass(frozen=True)
class Api:
    """The settings of the public and the admin routes. `intent_roles` None: every user may open payments."""

    tokens: Tokens
    admin_role: str
    intent_roles: frozenset[str] | None
    answer_timeout_s: int
    allowed_origins: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """The secrets are kept out of `repr`, so that no traceback or log line shows them."""

    rabbitmq_url: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    host: str
    port: int
    deployment: str
    log_level: str
    routes: frozenset[Group]
    rates: RateLimits
    trusted_proxies: tuple[Network, ...]
    api: Api | None


def read(variables: Mapping[str, str]) -> Settings:
    """Read every setting, or raise contracts.environment.SettingError naming the one that is wrong."""
    environment = Environment(variables)
    routes = _routes(environment)
    return Settings(
        rabbitmq_url=environment.broker(),
        webhook_secrets=environment.secrets("STRIPE_WEBHOOK_SECRET") if Group.WEBHOOK in routes else (),
        host=environment.text("HOST", EVERY_INTERFACE),
        port=environment.port("PORT", DEFAULT_PORT),
        deployment=environment.text("DEPLOYMENT", "default"),
        log_level=environment.log_level(),
        routes=routes,
        rates=_rates(environment),
        trusted_proxies=_networks(environment.text("TRUSTED_PROXIES", "")),
        api=_api(environment) if routes != {Group.WEBHOOK} else None,
    )


def _routes(environment: Environment) -> frozenset[Group]:
    names = _listed(environment.text("ROUTES", ",".join(Group)))
    try:
        return frozenset(map(Group, names))
    except ValueError:
        raise SettingError(f"ROUTES must be some of {', '.join(Group)}, comma-separated") from None


def _api(environment: Environment) -> Api:
    intent_roles = _listed(environment.text("INTENT_ROLES", ""))
    return Api(
        tokens=_tokens(environment),
        admin_role=environment.text("ADMIN_ROLE", "admin"),
        intent_roles=frozenset(intent_roles) if intent_roles else None,
        answer_timeout_s=environment.number("ANSWER_TIMEOUT_S", 9, low=1, high=60),
        allowed_origins=_origins(environment.text("ALLOWED_ORIGINS", "")),
    )


def _tokens(environment: Environment) -> Tokens:
    secret, url, path = (
        environment.secret("JWT_SECRET", ""),
        environment.text("JWKS_URL", ""),
        environment.text("JWKS_FILE", ""),
    )
    given = [name for name, value in (("JWT_SECRET", secret), ("JWKS_URL", url), ("JWKS_FILE", path)) if value]
    if not given:
        raise SettingError("need JWT_SECRET, JWKS_URL or JWKS_FILE: none is set (ROUTES=webhook does without)")
    if len(given) > 1:
        raise SettingError(f"{' and '.join(given)} are both set: give one")
    return Tokens(
        secrets=_signing_secrets(environment) if secret else (),
        jwks_url=environment.url("JWKS_URL", "http", "https") if url else None,
        jwks_file=Path(path) if path else None,
        issuer=environment.text("JWT_ISSUER"),
        audience=environment.text("JWT_AUDIENCE"),
        roles_claim=environment.text("JWT_ROLES_CLAIM", "roles"),
        leeway_s=environment.number("JWT_LEEWAY_S", 30, low=0, high=300),
    )


def _signing_secrets(environment: Environment) -> tuple[str, ...]:
    secrets = environment.secrets("JWT_SECRET")
    if any(len(secret.encode()) < MIN_SECRET_BYTES for secret in secrets):
        raise SettingError(f"JWT_SECRET is too short: HS256 needs {MIN_SECRET_BYTES} bytes or more")
    return secrets


def _rates(environment: Environment) -> RateLimits:
    return RateLimits(
        standard=_rate("RATE_LIMIT_STANDARD", environment.text("RATE_LIMIT_STANDARD", "100/15 minutes")),
        sensitive=_rate("RATE_LIMIT_SENSITIVE", environment.text("RATE_LIMIT_SENSITIVE", "10/15 minutes")),
        address=_rate("RATE_LIMIT_ADDRESS", environment.text("RATE_LIMIT_ADDRESS", "600/15 minutes")),
        storage=environment.secret("RATE_LIMIT_STORAGE", "memory://"),
    )


def _rate(name: str, text: str) -> RateLimitItem:
    try:
        rate = limits.parse(text)
    except ValueError:
        raise SettingError(f"{name} must be a number of requests and a time: 100/15 minutes") from None
    if rate.amount < 1 or rate.get_expiry() < 1:
        raise SettingError(f"{name} must allow at least one request in at least a second")
    return rate


def _origins(text: str) -> tuple[str, ...]:
    """Origins as browsers send them (RFC 6454): scheme, host and port, nothing behind."""
    origins = _listed(text)
    for origin in origins:
        try:
            parts = urlsplit(origin)
            sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or origin != f"{parts.scheme}://{parts.netloc}":
            raise SettingError("ALLOWED_ORIGINS must be origins, comma-separated: https://shop.example")
    return origins


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in _listed(text))
    except ValueError:
        raise SettingError("TRUSTED_PROXIES must be addresses or networks, comma-separated: 10.0.0.0/8") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)
