"""A call whose outcome no answer tells: its key is too old, or Stripe keeps an error under it."""

from datetime import timedelta

from contracts.replies import RefusalCode
from tests.unit.worker.answering import UNEXPECTED, confirming
from tests.unit.worker.making import codes, create, event_types, problem, story
from worker.domain import limits
from worker.domain.effects import Find, Read, Send
from worker.domain.messages import Result
from worker.domain.record import Status

HOUR = timedelta(hours=1)


def test_a_confirm_with_an_old_key_is_settled_by_reading() -> None:
    """A confirm whose key is 20 hours old is never sent again: the intent is read, and it is refused if nothing came."""
    made = confirming()
    made.answer(Result.UNKNOWN, problem=problem())
    decision = made.tick(limits.KEY_LIFETIME)
    assert isinstance(decision.effect, Read)
    settled = made.read(Status.REQUIRES_PAYMENT_METHOD)
    assert codes(settled) == {"confirm-7": RefusalCode.PROVIDER_ERROR}
    assert made.record.head is None


def test_a_confirm_with_an_old_key_may_have_worked() -> None:
    """A confirm whose key is too old is accepted when the read finds the money."""
    made = confirming()
    made.tick(limits.KEY_LIFETIME + HOUR)
    settled = made.read(Status.SUCCEEDED)
    assert codes(settled) == {"confirm-7": None}
    assert event_types(made.record) == ["created", "succeeded"]


def test_a_create_with_an_old_key_is_looked_for() -> None:
    """A create whose key is 20 hours old is looked for; what is found becomes the payment's intent."""
    made = story(Status.CREATING)
    made.answer(Result.UNKNOWN, problem=problem())
    decision = made.tick(limits.KEY_LIFETIME)
    assert isinstance(decision.effect, Find)
    found = made.answer(Result.DONE, Status.REQUIRES_PAYMENT_METHOD)
    assert codes(found) == {"create-1": None}
    assert made.record.intent_id == "pi_1"


def test_a_create_that_is_not_found_waits_for_its_last_send() -> None:
    """A create that is not found fails only when its last send, too, is 20 hours old."""
    made = story(Status.CREATING)
    made.answer(Result.UNKNOWN, problem=problem())
    made.tick(19 * HOUR)
    sent_last = made.now
    made.answer(Result.UNKNOWN, problem=problem())
    made.tick(2 * HOUR)
    assert made.answer(Result.NOT_FOUND).told == ()
    assert made.record.check_at == sent_last + limits.KEY_LIFETIME
    assert isinstance(made.tick().effect, Find)
    assert codes(made.answer(Result.NOT_FOUND)) == {"create-1": RefusalCode.PROVIDER_ERROR}
    assert made.record.status is Status.FAILED


def test_a_create_with_a_stored_error_is_looked_for_after_two_minutes() -> None:
    """An error that Stripe keeps under a create's key is settled by a search two minutes later; nothing found is failed."""
    made = story(Status.CREATING)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert made.record.check_at == made.now + limits.STORED_ERROR_WAIT
    assert isinstance(made.tick().effect, Find)
    decision = made.answer(Result.NOT_FOUND)
    assert codes(decision) == {"create-1": RefusalCode.PROVIDER_ERROR}
    assert event_types(made.record) == ["failed"]
    assert made.record.check_at is None


def test_a_duplicate_does_not_shorten_the_two_minutes() -> None:
    """A duplicate of a create with a stored error waits with it: a search that is too early would miss the intent."""
    made = story(Status.CREATING)
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    waits = made.record.check_at
    decision = made.tell(create())
    assert decision.effect is None
    assert made.record.check_at == waits


def test_a_search_that_fails_is_repeated_ever_later() -> None:
    """A search that Stripe does not answer is repeated with growing waits and never passes for an answer to the call."""
    made = story(Status.CREATING)
    made.answer(Result.UNKNOWN, problem=problem())
    made.tick(limits.KEY_LIFETIME)
    waits = []
    for _ in range(12):
        made.answer(Result.UNKNOWN, problem=problem("http_500"))
        assert made.head.settle == "key_too_old"
        assert made.record.check_at is not None
        waits.append(made.record.check_at - made.now)
        assert isinstance(made.tick().effect, Find)
    assert waits[-1] >= limits.BACKOFF_CAP / 2


def test_five_internal_errors_in_a_row_are_a_stored_one() -> None:
    """The same 500 five times under one key is taken for the stored answer, also when Stripe does not say so."""
    made = story(Status.CREATING)
    for _ in range(limits.STORED_ERROR_STREAK - 1):
        made.answer(Result.UNKNOWN, problem=problem("http_500"))
        assert isinstance(made.tick().effect, Send)
    made.answer(Result.UNKNOWN, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Find)


def test_other_errors_break_the_streak() -> None:
    """A different failure between the 500s starts the count anew."""
    made = story(Status.CREATING)
    for code in ["http_500"] * 4 + ["http_503"] + ["http_500"] * 4:
        made.answer(Result.UNKNOWN, problem=problem(code))
        assert isinstance(made.tick().effect, Send)


def test_a_confirm_with_a_stored_error_is_settled_by_reading() -> None:
    """An error that Stripe keeps under a confirm's key is settled by reading the intent."""
    made = confirming()
    made.answer(Result.STORED_ERROR, problem=problem("http_500"))
    assert isinstance(made.tick().effect, Read)
    assert codes(made.read(Status.SUCCEEDED)) == {"confirm-7": None}


def test_a_read_that_fails_leaves_the_call_waiting() -> None:
    """While the intent cannot be read the call stays open, and the read is repeated ever later."""
    made = confirming()
    made.answer(Result.CONFLICT, problem=UNEXPECTED)
    waits = []
    for _ in range(12):
        made.read_fails()
        assert made.record.head is not None
        assert made.record.read_at is not None
        waits.append(made.record.read_at - made.now)
        made.tick(max(waits[-1], timedelta()))
    assert waits[-1] >= limits.BACKOFF_CAP / 2


def test_an_intent_that_vanished_waits_for_a_person() -> None:
    """When Stripe knows no such intent the payment needs review, and a call that waited for the read is refused."""
    made = confirming()
    made.answer(Result.CONFLICT, problem=UNEXPECTED)
    decision = made.read_fails(lost=True)
    assert made.record.needs_review == "intent_vanished"
    assert event_types(made.record) == ["created", "needs_review"]
    assert codes(decision) == {"confirm-7": RefusalCode.NEEDS_REVIEW}
    assert made.record.head is None
