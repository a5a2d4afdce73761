"""The worker's settings, as somebody meets them who starts it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stack.processes import plain_environment
from worker.__main__ import main

SOUND = {
    "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1/",
    "MONGO_URI": "mongodb://127.0.0.1:1/",
    "STRIPE_SECRET_KEY": "sk_test_hush",
}
ENDED_S = 30


def run(home: Path, *arguments: str, **variables: str | None) -> "subprocess.CompletedProcess[str]":
    """Run the worker with sound settings, but for these; None takes one away."""
    chosen = {name: value for name, value in {**SOUND, **variables}.items() if value is not None}
    program = [sys.executable, "-m", "worker", *arguments]
    environment = plain_environment(home, **chosen)
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=ENDED_S, check=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RABBITMQ_URL", None),
        ("RABBITMQ_URL", "http://hush.example/"),
        ("RABBITMQ_URL", "amqp://hush:hush@:x/"),
        ("MONGO_URI", None),
        ("MONGO_URI", "hush"),
        ("MONGO_URI", "mongodb://127.0.0.1:1/?hush"),
        ("MONGO_URI", "mongodb://127.0.0.1:1/hu$sh"),
        ("MONGO_URI", "mongodb://us@er:hush@127.0.0.1:1/"),
        ("STRIPE_SECRET_KEY", None),
        ("STRIPE_SECRET_KEY", "pk_test_hush"),
        ("STRIPE_SECRET_KEY_FILE", "/nowhere/hush"),
        ("STRIPE_API_BASE", "ftp://hush.example"),
        ("WORKER_PORT", "70000"),
        ("LOG_LEVEL", "hush"),
        ("PREFETCH", "0"),
        ("PREFETCH", "many"),
        ("GRACE_S", "601"),
    ],
)
def test_a_bad_setting_is_named_in_one_line(capsys: pytest.CaptureFixture[str], name: str, value: str | None) -> None:
    """A setting that is missing or malformed ends the start with code 2 and one line that names it, not its value."""
    kept = {known: text for known, text in SOUND.items() if known not in {name, name.removesuffix("_FILE")}}
    assert main([], kept if value is None else kept | {name: value}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(rf"payments-worker: .*{name}.*\n", told.err)
    assert "hush" not in told.err


def test_without_settings_the_process_ends_with_code_2(tmp_path: Path) -> None:
    """The process itself, started without a setting, ends with code 2 and prints one line and no traceback."""
    ended = run(tmp_path, **dict.fromkeys(SOUND))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


def test_help_names_every_setting(tmp_path: Path) -> None:
    """`--help` needs no setting, names each of them and ends with code 0."""
    ended = run(tmp_path, "--help", **dict.fromkeys(SOUND))
    assert ended.returncode == 0
    assert {*SOUND, "STRIPE_API_BASE", "WORKER_PORT", "DEPLOYMENT", "LOG_LEVEL", "PREFETCH", "GRACE_S"} <= set(
        re.findall(r"[A-Z_]{4,}", ended.stdout)
    )


def test_an_unknown_argument_is_refused(tmp_path: Path) -> None:
    """The worker takes no arguments, and says so with code 2."""
    ended = run(tmp_path, "--fast")
    assert (ended.returncode, "--fast" in ended.stderr) == (2, True)
