"""The simulator as a program."""

import json
import os
import signal
import subprocess
import sys
import time
from urllib.request import Request, urlopen

import pytest

from sandbox.stripe.cli import main

STOPS_WITHIN_S = 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_serves_and_stops_on_a_signal(number: signal.Signals) -> None:
    """One line says where it listens, requests are answered there, and a signal ends it with status 0."""
    command = [sys.executable, "-m", "sandbox", "stripe", "--port", "0", "--seed", "3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        address = line.split()[3]
        request = Request(f"{address}/v1/account", headers={"Authorization": "Bearer sk_test_1"})
        with urlopen(request) as answer:
            assert json.load(answer)["object"] == "account"
        started = time.monotonic()
        child.send_signal(number)
        output, errors = child.communicate(timeout=STOPS_WITHIN_S)
    assert (child.returncode, output, errors) == (0, "", "")
    assert time.monotonic() - started < STOPS_WITHIN_S


def test_help_explains_how_to_point_a_client_at_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names the SDK's and the Stripe CLI's option."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "base_addresses" in text
    assert "--api-base" in text


def test_a_taken_port_is_an_error_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with status 1 and says which address it could not have."""
    assert main(["--host", "192.0.2.1", "--port", "1"]) == 1
    assert "cannot listen on 192.0.2.1:1" in capsys.readouterr().err
