"""What the ingress is told by its environment, read once at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.environment import Environment

DEFAULT_PORT = 5005
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - a webhook comes from outside; a container has one interface to speak of

HELP = """settings, from the environment (a name with * may also be given as NAME_FILE, the path of a mounted secret):
  RABBITMQ_URL*            the broker, amqp:// or amqps://
  STRIPE_WEBHOOK_SECRET*   the endpoint's signing secret; several, comma-separated, while it is rotated
  PORT                     5005; 0 takes a free one and logs it
  HOST                     0.0.0.0
  DEPLOYMENT               default; the name of this deployment, in log lines and on the broker's connection
  LOG_LEVEL                INFO; one of DEBUG, INFO, WARNING, ERROR

exit codes: 0 stopped by a signal, 1 the broker stayed away or the port is taken, 2 a setting is missing or malformed
"""


@dataclass(frozen=True)
class Settings:
    """The secrets are kept out of `repr`, so that no traceback or log line shows them."""

    rabbitmq_url: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    host: str
    port: int
    deployment: str
    log_level: str


def read(variables: Mapping[str, str]) -> Settings:
    """Read every setting, or raise contracts.environment.SettingError naming the one that is wrong."""
    environment = Environment(variables)
    return Settings(
        rabbitmq_url=environment.url("RABBITMQ_URL", "amqp", "amqps"),
        webhook_secrets=environment.secrets("STRIPE_WEBHOOK_SECRET"),
        host=environment.text("HOST", EVERY_INTERFACE),
        port=environment.port("PORT", DEFAULT_PORT),
        deployment=environment.text("DEPLOYMENT", "default"),
        log_level=environment.log_level(),
    )
