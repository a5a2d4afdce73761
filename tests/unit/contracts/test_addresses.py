"""Where broker and database are, and whom their certificates must be of: read once, wrong ones named, no secret shown."""

from pathlib import Path

import pytest
import trustme
from yarl import URL

from contracts.environment import Environment, SettingError
from worker.settings import mongo_uri

BROKER = "amqps://shop:hush@broker.example:5671/"
DATABASE = "mongodb://shop:hush@one.example:27017,two.example/payments?replicaSet=rs0"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A file whose name must be written otherwise in an address."""
    path = tmp_path / "our own & only ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def broker(url: str, authority: Path | str = "") -> str:
    return Environment({"RABBITMQ_URL": url, "RABBITMQ_CA_FILE": str(authority)}).broker()


def database(uri: str, authority: Path | str = "") -> str:
    return mongo_uri(Environment({"MONGO_URI": uri, "MONGO_CA_FILE": str(authority)}))


@pytest.mark.parametrize(
    "url", ["amqp://guest:guest@localhost/", BROKER, "amqps://h/vhost?cafile=/etc/ca.pem&heartbeat=5"]
)
def test_an_address_stays_as_it_is_without_an_authority(url: str) -> None:
    """Without RABBITMQ_CA_FILE the broker's address is what was given."""
    assert broker(url) == url


@pytest.mark.parametrize("url", [BROKER, BROKER.removesuffix("/"), f"{BROKER}vhost?heartbeat=5"])
def test_the_brokers_authority_becomes_an_option(url: str, authority: Path) -> None:
    """RABBITMQ_CA_FILE becomes the client's own option, whatever is in the file's name, and the rest stays."""
    found, given = URL(broker(url, authority)), URL(url)
    assert found.query["cafile"] == str(authority)
    assert found.without_query_params("cafile") == given.with_path(given.path or "/", keep_query=True)


@pytest.mark.parametrize("uri", [DATABASE, "mongodb+srv://shop.example", "mongodb://h:1/?tls=true", "mongodb://h"])
def test_the_databases_authority_becomes_an_option(uri: str, authority: Path) -> None:
    """MONGO_CA_FILE becomes the driver's own option beside those that are there."""
    found = database(uri, authority)
    assert URL(found.replace(",two.example", "")).query["tlsCAFile"] == str(authority)
    assert found.startswith(uri.partition("?")[0].removesuffix("/"))
    assert database(uri) == uri


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("amqp://h/", "RABBITMQ_CA_FILE is set, but RABBITMQ_URL is not amqps://"),
        ("amqps://h/?cafile=/x", "RABBITMQ_CA_FILE and the option cafile of RABBITMQ_URL are both set"),
        ("amqps://h/?no_verify_ssl=1", "RABBITMQ_URL has no_verify_ssl"),
    ],
)
def test_contradictions_about_the_broker_are_named(url: str, named: str, authority: Path) -> None:
    """An authority that would not be used, that is given twice, or that nobody would ask, ends the start."""
    with pytest.raises(SettingError, match=named):
        broker(url, authority)


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("mongodb://h/?tls=false", "MONGO_CA_FILE is set, but MONGO_URI turns TLS off"),
        ("mongodb://h/?ssl=false", "MONGO_CA_FILE is set, but MONGO_URI turns TLS off"),
        ("mongodb://h/?tlsCAFile=/x", "MONGO_CA_FILE and the option tlsCAFile of MONGO_URI are both set"),
        ("mongodb://h/?TLSCAFILE=/x", "MONGO_CA_FILE and the option tlsCAFile of MONGO_URI are both set"),
    ],
)
def test_contradictions_about_the_database_are_named(uri: str, named: str, authority: Path) -> None:
    """An authority that would not be used, or that is given twice, ends the start."""
    with pytest.raises(SettingError, match=named):
        database(uri, authority)


@pytest.mark.parametrize("option", ["tlsInsecure", "tlsAllowInvalidCertificates", "tlsallowinvalidhostnames"])
def test_verification_cannot_be_turned_off(option: str) -> None:
    """No option leaves broker or database unverified, in whatever case it is written."""
    with pytest.raises(SettingError, match="MONGO_URI turns verification off"):
        database(f"mongodb://h/?tls=true&{option}=true")
    with pytest.raises(SettingError, match="no_verify_ssl"):
        broker("amqps://h/?no_verify_ssl=1")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "RABBITMQ_CA_FILE cannot be read: FileNotFoundError"),
        (b"", "RABBITMQ_CA_FILE names a file without a certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nhush\n", "RABBITMQ_CA_FILE names a file without a certificate in PEM"),
    ],
)
def test_an_unreadable_authority_is_named(content: bytes | None, named: str, tmp_path: Path) -> None:
    """A file that is missing, or has no certificate, ends the start by the setting's name, and shows no secret."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError, match=named) as wrong:
        broker(BROKER, path)
    assert "hush" not in str(wrong.value)
