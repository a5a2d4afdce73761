"""What the files at the top say about each other is true."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from contracts import definitions
from contracts.logins import ADMIN, INGRESS, LOGINS, WORKER
from tests.tidy.tree import PRODUCTION, ROOT, files, modules

# What the README promises by name.
PROMISED = {
    *("RABBITMQ_URL", "MONGO_URI", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"),
    *("PORT", "WORKER_PORT", "DEPLOYMENT", "LOG_LEVEL"),
}
READERS = {"text", "secret", "secrets", "number", "port", "url", "authority"}  # of contracts.environment.Environment


def read(name: str) -> str:
    return (ROOT / name).read_text()


def targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))


def commands(text: str) -> set[str]:
    """What follows `make` in code: in backquotes, or at the start of a line of a block."""
    return set(re.findall(r"(?:`|^\s*\$?\s*)make ([a-z]+)\b", text, re.MULTILINE))


def settings(module: ast.Module) -> Iterator[str]:
    """The names that a module reads from its environment."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "log_level":
            yield "LOG_LEVEL"
        if node.func.attr in READERS and node.args and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
            if name.isupper():
                yield name


def example_names(example: str) -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) - {"COMPOSE_PROFILES"}


def picked(dockerfile: str) -> list[set[str]]:
    """The sets of names that the Dockerfile picks from the development lock."""
    return [set(names.split("|")) for names in re.findall(r"take = /\^\(([a-z|-]+)\)==/", dockerfile)]


def needed(names: set[str]) -> set[str]:
    """These distributions and what they need here, all the way down."""
    found: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        found.add(name)
        parsed = [Requirement(line) for line in requires(name) or []]
        more = {canonicalize_name(r.name) for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})}
        left |= more - found
    return found


def test_make_alone_prints_its_targets() -> None:
    """`make` without a target prints every target that has a description, and does nothing."""
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z]+) ", printed, re.MULTILINE)) == targets(read("Makefile"))


def test_make_has_the_promised_targets() -> None:
    """The targets that people know are there."""
    known = {"help", "setup", "demo", "run", "test", "check", "contracts", "conformance", "bench", "lock", "clean"}
    assert known <= targets(read("Makefile"))


def test_what_the_documents_tell_people_to_make_exists() -> None:
    """Every `make` command in a document is a target."""
    documents = [path for path in files() if path.suffix == ".md"]
    told = {command for path in documents for command in commands(read(str(path)))}
    assert told - targets(read("Makefile")) == set()


def test_the_example_environment_has_every_setting() -> None:
    """The example environment names the settings that are read or promised, and no others."""
    found = {name for module in modules(*PRODUCTION).values() for name in settings(module)}
    passwords = {login.password for login in LOGINS}
    assert example_names(read(".env.example")) == found | passwords | PROMISED


def test_compose_gives_each_service_only_its_settings() -> None:
    """The ingress is given no Stripe key and no database, and no service is given a name that does not exist."""
    services = yaml.safe_load(read("compose.yaml"))["services"]
    assert not {"STRIPE_SECRET_KEY", "MONGO_URI"} & set(services["ingress"]["environment"])
    given = {name for service in services.values() for name in service.get("environment", {})}
    assert given - example_names(read(".env.example")) == set()


def test_compose_gives_each_service_a_login_of_its_own() -> None:
    """Each service comes to the broker under its own login, and only what writes the definitions is told all passwords."""
    services = yaml.safe_load(read("compose.yaml"))["services"]
    logins = {"worker": WORKER, "ingress": INGRESS, "admin": ADMIN}
    for name, login in logins.items():
        own = f"amqp://{login.name}:${{{login.password}:?set it in .env, see .env.example}}@rabbitmq:5672/"
        assert services[name]["environment"]["RABBITMQ_URL"] == f"${{RABBITMQ_URL:-{own}}}"
    passwords = {login.password for login in LOGINS}
    told = {name: passwords & set(service.get("environment", {})) for name, service in services.items()}
    assert {name: found for name, found in told.items() if found} == {"definitions": passwords}


def test_the_example_environments_passwords_are_taken(tmp_path: Path) -> None:
    """With the example as it is every login gets a password."""
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", read(".env.example"), re.MULTILINE))
    assert definitions.main(["--passwords", "--output", str(tmp_path / "definitions.json")], example) == 0
    assert all(user["password_hash"] for user in json.loads((tmp_path / "definitions.json").read_text())["users"])


def test_the_image_picks_a_whole_set_from_the_lock() -> None:
    """What the Dockerfile picks from the development lock is everything that the picked packages need."""
    (names,) = picked(read("Dockerfile"))
    assert needed(names) == names


@pytest.mark.parametrize("name", [".ci/run"])
def test_scripts_can_be_run(name: str) -> None:
    """Scripts are executable and their shell can parse them."""
    assert (ROOT / name).stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", name], cwd=ROOT, check=False).returncode == 0


def test_a_command_in_a_document_is_found() -> None:
    """A make command is found in backquotes and in blocks, and prose that has the word is not one."""
    assert commands("run `make demo` or\n\n    make test ARGS=x\n\nthat make sense") == {"demo", "test"}


def test_a_setting_is_found_where_it_is_read() -> None:
    """A name is found whichever reader is used, and other constants are not names."""
    source = 'e.text("A_B", "x"); e.port("P", 1); e.log_level(); d.text("lower"); e.get("NOT")'
    assert set(settings(ast.parse(source))) == {"A_B", "P", "LOG_LEVEL"}


def test_an_incomplete_pick_is_found() -> None:
    """A set from which a needed package is missing is not whole."""
    assert needed({"rich"}) > {"rich", "pygments"}


def test_the_makefile_describes_targets() -> None:
    """A target without a description is not printed, so it is not a target for people."""
    assert targets("a: b ## Do a\nb:\n\ttrue\n") == {"a"}
    assert Path(ROOT / "Makefile").is_file()
