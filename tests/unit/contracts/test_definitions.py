"""The broker's definitions as they are written, with passwords and without."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from contracts import definitions, topology
from contracts.logins import INGRESS, LOGINS, ORDER_SERVICE, WORKER

PASSWORD = "correct horse battery staple"


def written(capsys: pytest.CaptureFixture[str], *arguments: str, **variables: str) -> tuple[dict[str, str], str]:
    """The password hashes by login, and what was said beside."""
    assert definitions.main(arguments, variables) == 0
    said = capsys.readouterr()
    return {user["name"]: user["password_hash"] for user in json.loads(said.out)["users"]}, said.err


def test_a_hash_is_the_one_that_rabbitmq_makes() -> None:
    """The example of RabbitMQ's documentation, "Credentials and Passwords", comes out as it is there."""
    assert definitions.hashed("test12", bytes.fromhex("908DC60A")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_passwords_come_as_hashes_with_fresh_salts(capsys: pytest.CaptureFixture[str]) -> None:
    """Each password that is set is in the file as a hash that it fits, never twice the same, and never itself."""
    given = {WORKER.password: PASSWORD, INGRESS.password: PASSWORD}
    first, told = written(capsys, "--passwords", **given)
    second, _ = written(capsys, "--passwords", **given)
    found = [hashes[login.name] for hashes in (first, second) for login in (WORKER, INGRESS)]
    assert len(set(found)) == len(found)
    for one in map(base64.b64decode, found):
        assert one[4:] == hashlib.sha256(one[:4] + PASSWORD.encode()).digest()
    assert PASSWORD not in told


def test_who_has_no_password_is_named_and_cannot_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    """A login whose password is not set is written without a hash, and a line says so."""
    hashes, told = written(capsys, "--passwords", **{WORKER.password: PASSWORD})
    assert [name for name, found in hashes.items() if found] == [WORKER.name]
    assert f"{ORDER_SERVICE.password} is not set: {ORDER_SERVICE.name} cannot log in" in told


def test_passwords_are_read_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --passwords nobody can log in, whatever the environment holds."""
    hashes, told = written(capsys, **{WORKER.password: PASSWORD})
    assert set(hashes.values()) == {""}
    assert told == ""


def test_a_password_may_come_as_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mounted secret is read like any other."""
    (tmp_path / "password").write_text(PASSWORD)
    output = tmp_path / "definitions.json"
    variables = {f"{WORKER.password}_FILE": str(tmp_path / "password")}
    assert definitions.main(["--passwords", "--output", str(output)], variables) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(output.read_text())["users"][0]["password_hash"]


def test_a_short_password_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A password that could be guessed ends it by the setting's name, without showing it."""
    assert definitions.main(["--passwords"], {WORKER.password: "hunter2"}) == 2
    said = capsys.readouterr()
    assert said.err == f"contracts.definitions: {WORKER.password} is too short: 16 characters or more\n"
    assert said.out == ""


def test_another_vhost_is_everywhere() -> None:
    """What is asked for another vhost is of that one alone."""
    made = definitions.definitions({}, "payments")
    assert made["vhosts"] == [{"name": "payments"}]
    parts = [part for kind in ("permissions", "exchanges", "queues", "bindings") for part in made[kind]]
    assert {part["vhost"] for part in parts} == {"payments"}


@pytest.mark.parametrize("name", ["payments.commands.mine", "my.payments.commands", "payments-commands", ""])
def test_rights_are_for_whole_names(name: str) -> None:
    """A right to a name is none to what only contains it or looks like it."""
    pattern = definitions.exactly((topology.COMMANDS, topology.QUERIES))
    assert re.search(pattern, topology.COMMANDS)
    assert not re.search(pattern, name)
    assert not re.search(definitions.exactly(()), topology.COMMANDS)


def test_logins_are_told_apart() -> None:
    """No two logins share a name or a password's setting."""
    assert len({login.name for login in LOGINS}) == len({login.password for login in LOGINS}) == len(LOGINS)
