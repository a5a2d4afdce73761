"""The worker's settings: read once, at start, frozen; a missing or malformed one fails by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from contracts.environment import Environment, SettingError, options, with_option
from contracts.events import Case, Remedy
from worker.domain import policy
from worker.domain.policy import Course, Policy

PREFETCH = 40
"""Deliveries in work per queue and worker. Most of a command's time is Stripe's, so many may wait for it at once."""

LIVE_RATE = 100
SANDBOX_RATE = 25
"""Requests a second that Stripe takes from all of an account's senders (Stripe docs, "Rate limits")."""

ELSEWHERE_RATE = 1000
"""Another address than Stripe's is a stand-in, which has no such limit."""

STRIPE = "https://api.stripe.com"

COVERAGE_EVERY_S = 60
"""How often Stripe's list of events is walked: a lost webhook is found within this and two minutes of patience."""

GRACE_S = 25
"""How long a stop waits for what runs; below Kubernetes' default of 30 s before it kills."""

UNVERIFIED = {"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"}
"""Options of MongoDB's driver with which anybody may pose as the database."""

HELP = """settings, from the environment (a secret also as NAME_FILE, the path of a file that holds it):
  RABBITMQ_URL       amqp:// or amqps:// address of the broker
  RABBITMQ_CA_FILE   the authorities that an amqps:// broker is verified against; default the system's
  MONGO_URI          mongodb:// address; the database it names, else `payments`
  MONGO_CA_FILE      turns TLS to the database on, and names the authorities that it is verified against
  STRIPE_SECRET_KEY  sk_test_…, sk_live_… or a restricted key rk_…
  STRIPE_API_BASE    default https://api.stripe.com; the simulator's address in a sandbox
  WORKER_PORT        /health and /ready, default 5006; 0 takes a free one
  DEPLOYMENT         default `default`; events of other deployments are ignored
  LOG_LEVEL          DEBUG, INFO (default), WARNING, ERROR
  PREFETCH           deliveries in work per queue, default 40
  GRACE_S            seconds that a stop waits for what runs, default 25
  STRIPE_RATE        this worker's share of the requests a second that Stripe takes: with three workers a third of the
                     defaults, 100 with a live key and 25 with a test key (1000 at another STRIPE_API_BASE)
  COVERAGE_EVERY_S   seconds between two walks through Stripe's list of events, default 60
  POLICY_PAID_AFTER_CANCEL, POLICY_PAID_TWICE, POLICY_TERMS_DIFFER, POLICY_REFUND_FAILED, POLICY_FRAUD_WARNING,
  POLICY_REVIEW_OPENED
                     what is done about late and strange money: tell, hold, ask, refund, or refund<N for less than N
                     minor units; defaults ask, ask, hold, hold, ask, tell
  POLICY_ANSWER_H    hours that a question to the order service waits for its answer, default 72
"""


@dataclass(frozen=True)
class Settings:
    """See docs/running.md for each. Secrets are kept out of the representation."""

    rabbitmq_url: str = field(repr=False)
    mongo_uri: str = field(repr=False)
    stripe_secret_key: str = field(repr=False)
    stripe_api_base: str | None
    deployment: str
    port: int
    log_level: str
    prefetch: int = PREFETCH
    grace_s: int = GRACE_S
    stripe_rate: int = SANDBOX_RATE
    coverage_every_s: int = COVERAGE_EVERY_S
    policy: Policy = policy.DEFAULT

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money; events of the other mode are ignored."""
        return "_live_" in self.stripe_secret_key


def read(variables: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingError, whose text names the setting and never shows its value."""
    env = Environment(variables)
    key = env.secret("STRIPE_SECRET_KEY")
    if not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        raise SettingError("STRIPE_SECRET_KEY must start with sk_test_, sk_live_, rk_test_ or rk_live_")
    base = env.url("STRIPE_API_BASE", "http", "https", default=STRIPE)
    return Settings(
        rabbitmq_url=env.broker(),
        mongo_uri=mongo_uri(env),
        stripe_secret_key=key,
        stripe_api_base=base,
        deployment=env.text("DEPLOYMENT", "default"),
        port=env.port("WORKER_PORT", 5006),
        log_level=env.log_level(),
        prefetch=env.number("PREFETCH", PREFETCH, low=1, high=1000),
        grace_s=env.number("GRACE_S", GRACE_S, low=1, high=600),
        stripe_rate=env.number("STRIPE_RATE", _rate(key, base), low=1, high=10_000),
        coverage_every_s=env.number("COVERAGE_EVERY_S", COVERAGE_EVERY_S, low=1, high=3600),
        policy=policy_of(env),
    )


def _rate(key: str, base: str) -> int:
    """What one worker alone may send."""
    if not base.startswith(STRIPE):
        return ELSEWHERE_RATE
    return LIVE_RATE if "_live_" in key else SANDBOX_RATE


def policy_of(env: Environment) -> Policy:
    """What is done about late and strange money. Raises SettingError."""
    hours = env.number("POLICY_ANSWER_H", policy.ANSWER_WITHIN // timedelta(hours=1), low=1, high=24 * 60)
    chosen = {
        Case.PAID_AFTER_CANCEL: env.text("POLICY_PAID_AFTER_CANCEL", ""),
        Case.PAID_TWICE: env.text("POLICY_PAID_TWICE", ""),
        Case.TERMS_DIFFER: env.text("POLICY_TERMS_DIFFER", ""),
        Case.REFUND_FAILED: env.text("POLICY_REFUND_FAILED", ""),
        Case.FRAUD_WARNING: env.text("POLICY_FRAUD_WARNING", ""),
        Case.REVIEW_OPENED: env.text("POLICY_REVIEW_OPENED", ""),
    }
    return Policy({case: _course(case, text) for case, text in chosen.items()}, timedelta(hours=hours))


def _course(case: Case, text: str) -> Course:
    if not text:
        return policy.COURSES[case]
    remedy, below, amount = text.partition("<")
    if remedy not in set(Remedy) or (below and (remedy != Remedy.REFUND or not amount.isdecimal())):
        raise SettingError(f"POLICY_{case.name} must be tell, hold, ask, refund, or refund<N with N in minor units")
    return Course(Remedy(remedy), int(amount) if below else None)


def mongo_uri(env: Environment) -> str:
    """MONGO_URI, with the file that MONGO_CA_FILE names as the driver's own option `tlsCAFile`.

    The driver would find fault with it only when it is made, and print it.
    """
    uri = env.url("MONGO_URI", "mongodb", "mongodb+srv")
    given = {name.casefold(): value for name, value in options(uri).items()}  # the driver reads them in any case
    if given.keys() & UNVERIFIED:
        raise SettingError("MONGO_URI turns verification off: a database that nobody verifies is not connected to")
    authority = env.authority("MONGO_CA_FILE")
    if authority is not None:
        if "tlscafile" in given:
            raise SettingError("MONGO_CA_FILE and the option tlsCAFile of MONGO_URI are both set: give one")
        if "false" in {given.get("tls"), given.get("ssl")}:
            raise SettingError("MONGO_CA_FILE is set, but MONGO_URI turns TLS off: nothing would be encrypted")
        uri = with_option(uri, "tlsCAFile", str(authority))  # which turns TLS on
    if uri.startswith("mongodb://"):  # the other kind is looked up in the DNS, which may be away for a moment
        try:
            parse_uri(uri)
        except (PyMongoError, ValueError):
            raise SettingError("MONGO_URI is no address that MongoDB's driver can read") from None
    return uri
