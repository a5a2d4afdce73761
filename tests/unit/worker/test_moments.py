"""What an operator is told of a moment that cannot be taken."""

from datetime import UTC, datetime

import pytest

from worker.ops.cli import main
from worker.ops.moments import NoMoment, moment

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NONE_OF_OURS = "is no moment: give 2026-11-01, 2026-11-01T12:00, 36h or 7d"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("soon", NONE_OF_OURS),
        ("0001-01-01T00:00+14:00", NONE_OF_OURS),
        ("9999-12-31T23:59-14:00", NONE_OF_OURS),
        ("2026-03-02T12:01", "lies ahead"),
        ("2026-03-02T11:00-05:00", "lies ahead"),
    ],
)
def test_what_is_wrong_with_a_moment_is_said(text: str, told: str) -> None:
    """Nonsense, and what no calendar reaches in UTC, is no moment; one that is to come lies ahead."""
    with pytest.raises(NoMoment) as refused:
        moment(text, NOW)
    assert str(refused.value) == f"{text!r} {told}"


@pytest.mark.parametrize(("text", "told"), [("0001-01-01T00:00+14:00", NONE_OF_OURS), ("9998-01-01", "lies ahead")])
def test_a_desk_that_cannot_take_a_moment_says_so(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A `--since` that is no moment, or to come, is a wrong use: exit code 2, and which of both."""
    with pytest.raises(SystemExit) as ended:
        main(["dead-letters", "list", "--since", text], {})
    assert ended.value.code == 2
    assert f"argument --since: {text!r} {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [("coverage", "--since"), ("proof", "--since"), ("proof", "--since", "1d", "--until")]
)
@pytest.mark.parametrize(("text", "told"), [("0001-01-01T00:00+14:00", NONE_OF_OURS), ("9998-01-01", "lies ahead")])
def test_a_walk_that_cannot_take_a_moment_says_so(
    options: tuple[str, ...], text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """So it is for coverage and for a proof, before the database or Stripe is asked."""
    variables = {"MONGO_URI": "mongodb://127.0.0.1:9/", "STRIPE_SECRET_KEY": "sk_test_1"}
    assert main([*options, text], variables) == 2
    assert capsys.readouterr().err == f"payments: {text!r} {told}\n"
