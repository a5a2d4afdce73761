"""Where the broker and the database come from, as a decision over values."""

import pytest

from sandbox.stack import NothingToRun
from sandbox.stack.choose import GivenBroker, Source, choose_broker, choose_database, choose_private_broker
from sandbox.stack.system import COMMANDS, System, family

ROOT_ON_DEBIAN = System("debian", is_root=True)
USER_ON_DEBIAN = System("debian", is_root=False)


def yes() -> bool:
    return True


def no() -> bool:
    return False


def never_asked() -> bool:
    raise AssertionError("Docker was asked although an address was given")


def test_a_given_address_comes_before_everything() -> None:
    """An address that is given is used, and no Docker engine is asked."""
    assert (
        choose_broker(given="amqp://x/", docker=never_asked, installed=True, system=ROOT_ON_DEBIAN, setting="S")
        is Source.GIVEN
    )
    assert choose_database(given="mongodb://x/", docker=never_asked, embeddable=True, setting="S") is Source.GIVEN


@pytest.mark.parametrize(
    ("docker", "installed", "system", "source"),
    [
        (yes, True, ROOT_ON_DEBIAN, Source.DOCKER),
        (no, True, ROOT_ON_DEBIAN, Source.INSTALLED),
        (no, True, System("other", is_root=False), Source.INSTALLED),
        (no, False, ROOT_ON_DEBIAN, Source.APT),
    ],
)
def test_docker_comes_before_an_installed_server_before_apt(
    docker: object, installed: bool, system: System, source: Source
) -> None:
    """The broker comes from Docker, else from an installed server, else from apt-get as root on Debian."""
    assert callable(docker)
    assert choose_broker(given=None, docker=docker, installed=installed, system=system, setting="S") is source


@pytest.mark.parametrize("system", [USER_ON_DEBIAN, System("macos", is_root=False), System("fedora", is_root=True)])
def test_without_any_way_the_message_names_this_systems_command(system: System) -> None:
    """Where nothing can be had, the error names this system's install command and the setting for an address."""
    with pytest.raises(NothingToRun) as refused:
        choose_broker(given=None, docker=no, installed=False, system=system, setting="RABBITMQ_URL")
    assert COMMANDS[system.family] in str(refused.value)
    assert "RABBITMQ_URL=" in str(refused.value)


def test_a_broker_to_break_is_a_process_where_a_server_is_installed() -> None:
    """A broker to break is a private node where a server is installed, and else what an ordinary one would be."""
    assert choose_private_broker(docker=never_asked, installed=True, system=USER_ON_DEBIAN) is Source.INSTALLED
    assert choose_private_broker(docker=yes, installed=False, system=USER_ON_DEBIAN) is Source.DOCKER
    assert choose_private_broker(docker=no, installed=False, system=ROOT_ON_DEBIAN) is Source.APT


def test_a_broker_to_break_is_never_an_address() -> None:
    """The advice for a broker to break does not offer to name somebody's own."""
    with pytest.raises(NothingToRun) as refused:
        choose_private_broker(docker=no, installed=False, system=USER_ON_DEBIAN)
    assert "amqp://" not in str(refused.value)


def test_the_database_comes_from_docker_before_the_embedded_one() -> None:
    """The database comes from Docker, else it is embedded, else the error says what to do."""
    assert choose_database(given=None, docker=yes, embeddable=True, setting="S") is Source.DOCKER
    assert choose_database(given=None, docker=no, embeddable=True, setting="S") is Source.EMBEDDED
    with pytest.raises(NothingToRun, match="MONGO_URI="):
        choose_database(given=None, docker=no, embeddable=False, setting="MONGO_URI")


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian"}, "debian"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "debian"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "debian"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "fedora"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "suse"),
        ({"ID": "void"}, "other"),
        ({}, "other"),
    ],
)
def test_relatives_of_a_system_are_recognised(release: dict[str, str], expected: str) -> None:
    """A distribution is recognised by its own name or by the first relative that it names."""
    assert family(release) == expected


def test_a_given_broker_is_administered_with_its_own_login() -> None:
    """The management address of a given broker has the host and login of its AMQP address."""
    assert GivenBroker("amqp://me:secret@broker:5673/v").management_url == "http://me:secret@broker:15672"
    assert GivenBroker("amqp://broker").management_url == "http://guest:guest@broker:15672"
