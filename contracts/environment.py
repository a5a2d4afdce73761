"""Settings from the environment, read once at start. A missing or malformed one is an error that names it.

A secret may also be given as a file: NAME_FILE holds the path, as Docker and Kubernetes mount secrets.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingError(Exception):
    """One setting is missing or malformed; the text is one line that names it and never shows its value."""


class Environment:
    """Reads typed settings out of a mapping such as os.environ."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str | None = None) -> str:
        """The variable, stripped; its default; or SettingError."""
        value = self._variables.get(name, "").strip()
        if value:
            return value
        if default is None:
            raise SettingError(f"need {name}: it is not set")
        return default

    def secret(self, name: str, default: str | None = None) -> str:
        """NAME, or the contents of the file that NAME_FILE names; giving both is an error."""
        path = self._variables.get(f"{name}_FILE", "").strip()
        if not path:
            return self.text(name, default)
        if self._variables.get(name, "").strip():
            raise SettingError(f"{name} and {name}_FILE are both set: give one")
        try:
            value = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{name}_FILE cannot be read: {type(error).__name__}") from None
        if not value:
            raise SettingError(f"need {name}: the file that {name}_FILE names is empty")
        return value

    def secrets(self, name: str) -> tuple[str, ...]:
        """Several secrets, comma-separated, for rotation; none may be empty."""
        values = tuple(part.strip() for part in self.secret(name).split(","))
        if not all(values):
            raise SettingError(f"{name} has an empty entry between its commas")
        return values

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number between `low` and `high`, both included."""
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise SettingError(f"{name} must be a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise SettingError(f"{name} must be a whole number from {low} to {high}")
        return number

    def port(self, name: str, default: int) -> int:
        """A TCP port; 0 takes a free one."""
        return self.number(name, default, low=0, high=65535)

    def url(self, name: str, *schemes: str, default: str | None = None) -> str:
        """An address with a host and one of these schemes. It may hold a password, so it may come as a file."""
        value = self.secret(name, default)
        try:
            parts = urlsplit(value)
            sound = parts.scheme in schemes and bool(parts.netloc)
            if "," not in parts.netloc:  # several hosts, as MongoDB writes them, are the driver's to read
                sound = sound and bool(parts.hostname) and parts.port != 0  # reading a malformed port raises
        except ValueError:
            sound = False
        if not sound:
            raise SettingError(f"{name} must be an address that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return value

    def authority(self, name: str) -> Path | None:
        """The file that NAME names, with the certificates (PEM) of the authorities to trust; None when it is not set."""
        value = self.text(name, "")
        if not value:
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
        except ssl.SSLError:
            raise SettingError(f"{name} names a file without a certificate in PEM") from None
        except OSError as error:
            raise SettingError(f"{name} cannot be read: {type(error).__name__}") from None
        return Path(value)

    def broker(self) -> str:
        """RABBITMQ_URL, with the file that RABBITMQ_CA_FILE names as the client's own option `cafile`.

        So whoever opens the address verifies the broker, and alike.
        """
        url = self.url("RABBITMQ_URL", "amqp", "amqps")
        authority = self.authority("RABBITMQ_CA_FILE")
        given = options(url)
        if "no_verify_ssl" in given:
            raise SettingError("RABBITMQ_URL has no_verify_ssl: a broker that nobody verifies is not connected to")
        if authority is None:
            return url
        if not url.startswith("amqps://"):
            raise SettingError("RABBITMQ_CA_FILE is set, but RABBITMQ_URL is not amqps://: nothing would be encrypted")
        if "cafile" in given:
            raise SettingError("RABBITMQ_CA_FILE and the option cafile of RABBITMQ_URL are both set: give one")
        return with_option(url, "cafile", str(authority))

    def log_level(self) -> str:
        """LOG_LEVEL, one of DEBUG, INFO, WARNING, ERROR."""
        value = self.text("LOG_LEVEL", "INFO").upper()
        if value not in LOG_LEVELS:
            raise SettingError(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
        return value


def options(url: str) -> dict[str, str]:
    """An address's options; of those that come twice, the last."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_option(url: str, name: str, value: str) -> str:
    """The address with one option more. A path that is missing becomes '/', which means the same."""
    parts = urlsplit(url)
    added = f"{name}={quote(value, safe='')}"
    return parts._replace(path=parts.path or "/", query="&".join(filter(None, (parts.query, added)))).geturl()
