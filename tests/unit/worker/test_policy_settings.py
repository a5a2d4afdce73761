"""The policy about late and strange money as the environment sets it: one variable per case, and how long to wait."""

from datetime import timedelta

import pytest

from contracts.environment import SettingError
from contracts.events import Case, Remedy
from tests.unit.worker.making import NOW
from worker.domain.policy import ANSWER_WITHIN, COURSES, DEFAULT, Course, Policy
from worker.settings import HELP, read

NEEDED = {
    "RABBITMQ_URL": "amqp://guest:guest@broker.example/",
    "MONGO_URI": "mongodb://db.example/payments",
    "STRIPE_SECRET_KEY": "sk_test_1",
}
VARIABLES = {case: f"POLICY_{case.name}" for case in Case}


def policy(**variables: str) -> Policy:
    return read(NEEDED | variables).policy


def test_without_a_word_the_defaults_hold() -> None:
    """Nothing set is the policy that moves no money by itself, and three days for an answer."""
    found = policy()
    assert (found.courses, found.answer_within) == (COURSES, timedelta(days=3))
    assert DEFAULT.answer_within == ANSWER_WITHIN


@pytest.mark.parametrize("remedy", list(Remedy))
@pytest.mark.parametrize("case", list(Case))
def test_each_case_has_a_variable_of_its_own(case: Case, remedy: Remedy) -> None:
    """A variable sets the remedy of its case, and no other's."""
    found = policy(**{VARIABLES[case]: remedy})
    assert found.courses == COURSES | {case: Course(remedy)}


@pytest.mark.parametrize(("text", "below"), [("refund<5000", 5000), ("refund<0", 0), (" refund<1 ", 1)])
def test_a_refund_may_have_a_bound(text: str, below: int) -> None:
    """`refund<N` gives back payments of less than N minor units by itself."""
    assert policy(POLICY_FRAUD_WARNING=text).courses[Case.FRAUD_WARNING] == Course(Remedy.REFUND, below)


def test_the_bound_is_exact() -> None:
    """A payment of exactly N is held, one of a minor unit less goes back."""
    found = policy(POLICY_PAID_TWICE="refund<5000")
    assert found.of(Case.PAID_TWICE, 4999, NOW) == (Remedy.REFUND, None)
    assert found.of(Case.PAID_TWICE, 5000, NOW) == (Remedy.HOLD, None)


@pytest.mark.parametrize("text", ["refund", "refund<5000"])
def test_nothing_is_not_refunded(text: str) -> None:
    """Where nothing is captured there is nothing to refund: a person looks."""
    assert policy(POLICY_FRAUD_WARNING=text).of(Case.FRAUD_WARNING, 0, NOW) == (Remedy.HOLD, None)


@pytest.mark.parametrize(
    "text",
    [
        *("refunds", "REFUND", "nothing", "refund<", "refund<-1", "refund<1.5", "refund<1e3", "refund<many"),
        *("refund<1<2", "refund>5", "ask<5", "hold<5", "tell<5", "<5", "refund <5"),
    ],
)
@pytest.mark.parametrize("case", list(Case))
def test_anything_else_fails_by_name(case: Case, text: str) -> None:
    """A course that cannot be read stops the start, by the variable's name and what it may be, without its value."""
    with pytest.raises(SettingError) as caught:
        policy(**{VARIABLES[case]: text})
    assert str(caught.value).startswith(f"{VARIABLES[case]} must be tell, hold, ask, refund, or refund<N")


@pytest.mark.parametrize(("text", "hours"), [("1", 1), ("72", 72), ("1440", 1440)])
def test_the_time_for_an_answer_is_in_hours(text: str, hours: int) -> None:
    """POLICY_ANSWER_H says for how many hours a question waits."""
    found = policy(POLICY_ANSWER_H=text, POLICY_PAID_TWICE="ask")
    assert found.of(Case.PAID_TWICE, 1, NOW) == (Remedy.ASK, NOW + timedelta(hours=hours))


@pytest.mark.parametrize("text", ["0", "-1", "1441", "1.5", "soon"])
def test_the_time_for_an_answer_has_bounds(text: str) -> None:
    """No time at all, more than sixty days and what is no whole number are refused by name."""
    with pytest.raises(SettingError, match="POLICY_ANSWER_H"):
        policy(POLICY_ANSWER_H=text)


def test_the_help_names_them_all() -> None:
    """Whoever asks for help is told every variable of the policy."""
    assert [name for name in (*VARIABLES.values(), "POLICY_ANSWER_H") if name not in HELP] == []
