"""What the audience sees, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from sandbox.demo import cli, crowd, screen
from sandbox.demo.checks import Result
from sandbox.demo.screen import Row, Screen
from sandbox.demo.show import row
from sandbox.services.asking import PaymentRefused
from sandbox.stripe.faults import KINDS
from tests.unit.sandbox_demo import books
from tests.unit.sandbox_demo.test_sample_services import ACCEPTED


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    """Without a terminal each story line is one line of text, without colours."""
    console = Console(file=io.StringIO(), width=40)
    with Screen(console, ["paid"]) as stories:
        stories.line(0, "order service →", "create €49.90 and a text that is longer than the line is wide")
    (line,) = written(console).splitlines()
    assert line.endswith("longer than the line is wide")
    assert "\x1b" not in line


def test_a_terminal_shows_the_states_below() -> None:
    """On a terminal what each payment is doing stands below the lines."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Screen(console, ["paid", "canceled"]) as stories:
        stories.state(1, "playing")
    assert "playing" in written(console)
    assert "waiting" in written(console)


def test_ci_has_no_moving_parts() -> None:
    """In CI nothing is drawn twice, terminal or not."""
    assert not screen.make_console({"CI": "true"}).is_interactive


def test_checks_tell_what_is_wrong() -> None:
    """A check that fails shows its details below its name."""
    console = Console(file=io.StringIO(), width=100)
    screen.show_checks(
        console, [Result("all is well", ok=True, detail=""), Result("no loss", ok=False, detail="o-1: lost")]
    )
    assert written(console).splitlines() == ["✓ holds  all is well", "✗ FAILS  no loss", "         o-1: lost"]


def test_the_table_names_what_each_service_heard() -> None:
    """A row has the order, its payment, its status and the events of both services."""
    found = books.sound()
    assert row(found, found.orders[books.ORDER], "paid") == Row(
        books.ORDER, books.PAYMENT, "paid", "succeeded", "created, succeeded", "succeeded"
    )


def test_a_fault_rate_counts_for_every_kind() -> None:
    """Every fault that the simulator has gets the rate."""
    assert set(crowd.fault_rates(0.05)) == set(KINDS)


@pytest.mark.parametrize("arguments", [["--payments", "0"], ["--faults", "0.5"], ["--payments", "many"]])
def test_impossible_options_are_refused(arguments: list[str]) -> None:
    """What cannot be played is an error of usage, before anything is started."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2


def test_a_malformed_address_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A broker's address that is none ends the demo with the setting's name."""
    monkeypatch.setenv("RABBITMQ_URL", "http://nowhere")
    assert cli.main([]) == 2
    assert "RABBITMQ_URL" in capsys.readouterr().err


def test_a_refusal_without_reason_still_reads() -> None:
    """An error made from a reply without a refusal has words."""
    assert str(PaymentRefused(ACCEPTED)) == "refused"
