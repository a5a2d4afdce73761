"""Safeguards around a request to Stripe: recorded first, once, as it was, and not for ever."""

from tests.safeguards.safeguard import Safeguard

CALLS = "worker/domain/calls.py"
ANSWERS = "worker/domain/answers.py"
WORKER = "tests/unit/worker"
SIMULATED = "tests/simulation/test_handler.py::test_the_promises_hold[0]"

ASKING = (
    Safeguard(
        name="call before send",
        promise="P1: a call is committed before its first send, so that whoever comes next repeats it and makes no other",
        file="worker/handler.py",
        old="        if decision.write and decision.payment is not None:\n",
        new="        if decision.write and decision.payment is not None and not isinstance(decision.effect, Send):\n",
        tests=(SIMULATED,),
    ),
    Safeguard(
        name="sends are recorded",
        promise="P1: when each send began is on record before it begins: it says how old the key is and where to look",
        file=CALLS,
        old="        sends=(*call.sends, step.now),\n",
        new="        sends=call.sends or (step.now,),\n",
        tests=(
            f"{WORKER}/test_core_settled_by_reading.py::test_a_create_that_is_not_found_waits_for_its_last_send",
            f"{WORKER}/test_core_answers.py::test_the_waits_between_sends_grow_to_ten_minutes",
        ),
    ),
    Safeguard(
        name="derived key",
        promise="P1: a key is made of the payment, the operation and the command, never of chance or of the clock",
        file=CALLS,
        old='        key=f"{payment.id}:{operation}:{command.message_id}",\n',
        new='        key=f"{payment.id}:{operation}:{id(command)}",\n',
        tests=(f"{WORKER}/test_core_create.py::test_the_key_is_derived",),
    ),
    Safeguard(
        name="derived key of a refund",
        promise="P1: a refund's key is made of its name, whichever command brings it",
        file=CALLS,
        old='    return replace(call, key=f"{payment.id}:{Operation.REFUND}:{refund_id}", about=refund_id)\n',
        new="    return replace(call, about=refund_id)\n",
        tests=(f"{WORKER}/test_core_refunds.py::test_a_refund_is_asked_for_under_its_own_name",),
    ),
    Safeguard(
        name="stored parameters",
        promise="Rule 17: a send that is repeated has the parameters of the first, not those of the record as it is now",
        file=CALLS,
        old="        base=call.base if call.sends else step.known.captured,\n",
        new="        base=call.base if call.sends else step.known.captured,\n"
        '        params=call.params | {"metadata": owner(step.known)} if call.sends else call.params,\n',
        tests=(
            f"{WORKER}/test_core_answers.py::test_an_unknown_outcome_is_tried_again_under_the_same_key",
            SIMULATED,
        ),
    ),
    Safeguard(
        name="parameters outlive an erasure",
        promise="Rule 17: an erasure leaves an open call as it is until it is settled",
        file="worker/domain/commands.py",
        old="params=call.params if call.open else {}",
        new="params={}",
        tests=(f"{WORKER}/test_core_erasure.py::test_a_refund_in_flight_goes_on",),
    ),
    Safeguard(
        name="one call at a time",
        promise="P1: only the head of the queue is sent",
        file="worker/domain/record.py",
        old="        return next((call for call in self.calls if call.open), None)\n",
        new="        return next((call for call in reversed(self.calls) if call.open), None)\n",
        tests=(
            f"{WORKER}/test_core_refunds.py::test_refunds_go_one_after_the_other",
            f"{WORKER}/test_core_create.py::test_a_command_behind_a_create_waits_for_it",
        ),
    ),
    Safeguard(
        name="helping duplicates",
        promise="P2: a duplicate of an open call performs it; its first delivery may have died",
        file=CALLS,
        old="        if call is payment.head:\n            resume(step, call)\n",
        new="",
        tests=(f"{WORKER}/test_core_create.py::test_a_duplicate_helps_an_open_call",),
    ),
    Safeguard(
        name="recorded answers are repeated",
        promise="P2: a duplicate of a settled command hears the recorded answer",
        file=CALLS,
        old='        step.stale("duplicate")\n        _repeat(step, call, entry)\n',
        new='        step.stale("duplicate")\n',
        tests=(f"{WORKER}/test_handler_archive.py::test_a_late_duplicate_repeats_the_recorded_answer",),
    ),
    Safeguard(
        name="key age",
        promise="P8: a key that Stripe may have forgotten is never sent again; the outcome is read",
        file=CALLS,
        old="    if not head.settle and step.now - head.sends[0] >= limits.KEY_LIFETIME:\n"
        "        head = replace(head, settle=KEY_TOO_OLD)\n",
        new="",
        tests=(f"{WORKER}/test_core_settled_by_reading.py::test_a_confirm_with_an_old_key_is_settled_by_reading",),
    ),
    Safeguard(
        name="what was held back was not sent",
        promise="P8: a call of which nothing left the worker may still expire",
        file="worker/domain/again.py",
        old="sends=_without(call.sends, answer.sent_at), ",
        new="",
        tests=(f"{WORKER}/test_core_held_back.py::test_a_confirm_that_was_never_sent_expires",),
    ),
    Safeguard(
        name="a cancel before a confirm that waits",
        promise="Rule 20: who cancels while Stripe is away is not charged when it is back",
        file=CALLS,
        old="        case Operation.CONFIRM if any(other.open and other.operation is Operation.CANCEL for",
        new="        case Operation.CONFIRM if not any(other.open for",
        tests=(f"{WORKER}/test_core_held_back.py::test_a_cancel_goes_before_a_confirm_that_was_never_sent",),
    ),
    Safeguard(
        name="expiry of a command",
        promise="P8: a command that nobody wants any more is refused when it comes",
        file="worker/domain/step.py",
        old="        if command and command.expires_at and self.now >= command.expires_at:\n",
        new="        if command and command.expires_at and self.now >= command.expires_at and not command:\n",
        tests=(f"{WORKER}/test_core_create.py::test_an_expired_create_is_refused",),
    ),
    Safeguard(
        name="expiry of a call",
        promise="P8: a call that expires while it waits is never sent",
        file=CALLS,
        old="    if call.expires_at and now >= call.expires_at:\n",
        new="    if call.expires_at and now >= call.expires_at and not call:\n",
        tests=(f"{WORKER}/test_core_create.py::test_a_command_that_waits_too_long_expires",),
    ),
    Safeguard(
        name="send grace",
        promise="P1: only after a send's outer deadline may another worker take it for lost",
        file=CALLS,
        old="        due_at=step.now + limits.SEND_GRACE,\n        intent_id=",
        new="        due_at=step.now,\n        intent_id=",
        tests=(f"{WORKER}/test_core_answers.py::test_every_second_of_a_send_is_covered",),
    ),
    Safeguard(
        name="a stored 500 is settled by reading",
        promise="Rule 18: an error that Stripe keeps under a key is not sent for again and again",
        file=ANSWERS,
        old="            _settle_later(step, call)\n        case Result.HELD_BACK",
        new="            again.later(step, call, message)\n        case Result.HELD_BACK",
        tests=(f"{WORKER}/test_core_settled_by_reading.py::test_a_confirm_with_a_stored_error_is_settled_by_reading",),
    ),
    Safeguard(
        name="a conflict is read first",
        promise="Rule 18: a state conflict is no refusal; the object is read and the truth applied",
        file=ANSWERS,
        old="            step.put_call(replace(call, settle=calls.CONFLICT, due_at=step.now + limits.SEND_GRACE))\n"
        "            step.change(read_at=step.now)\n",
        new="            _refused(step, call, message, RefusalCode.PROVIDER_REFUSED)\n",
        tests=(f"{WORKER}/test_core_answers.py::test_a_conflict_is_read_and_the_truth_applied",),
    ),
    Safeguard(
        name="nothing was done under a key in conflict",
        promise="Rule 18: a capture that Stripe refused is not told as done because somebody else has captured",
        file="worker/domain/settling.py",
        old="            return not conflict and _captured_as_asked(payment, head)\n",
        new="            return _captured_as_asked(payment, head)\n",
        tests=(f"{WORKER}/test_core_dashboard.py::test_a_capture_that_came_second_is_refused",),
    ),
    Safeguard(
        name="only what was asked for is ours",
        promise="Rule 17: a capture without an answer is told as done only if just its money was taken",
        file="worker/domain/settling.py",
        old="    return payment.captured - head.base == _asked(payment, head) and _ended_as_asked(payment, head)\n",
        new="    return payment.captured > head.base\n",
        tests=(f"{WORKER}/test_core_dashboard.py::test_a_capture_without_an_answer_is_compared",),
    ),
    Safeguard(
        name="unlisted answers wait for a person",
        promise="P9: what no rule covers moves no money and is shown to somebody",
        file=ANSWERS,
        old="            watch.review(step, str(message.result), _text(message.problem))\n",
        new="",
        tests=(f"{WORKER}/test_core_answers.py::test_an_answer_that_no_rule_covers_waits_for_a_person",),
    ),
    Safeguard(
        name="a replayed answer is not the truth",
        promise="P3: what Stripe replays under a key is as old as the first send",
        file=ANSWERS,
        old="    return message.version == step.known.version and len(call.sends) == 1 and not message.replayed\n",
        new="    return message.version == step.known.version or call.open\n",
        tests=(
            f"{WORKER}/test_core_answers.py::test_a_replayed_success_is_not_the_truth",
            f"{WORKER}/test_core_answers.py::test_an_answer_after_the_record_has_changed_is_doubted",
        ),
    ),
    Safeguard(
        name="any other exception is unknown",
        promise="Rule 18: what is not listed is no answer: the same call again, under the same key",
        file="worker/adapters/gateway.py",
        old="            return _unknown(call, payment, error)\n        response = found.last_response\n",
        new="            return replace(_unknown(call, payment, error), result=Result.REFUSED)\n"
        "        response = found.last_response\n",
        tests=("tests/conformance/gateway/test_stripe_gateway.py::test_bytes_that_are_no_answer_are_unknown",),
    ),
    Safeguard(
        name="what cannot be read is unknown",
        promise="Rule 18: an object without its fields, or in a status that nobody has heard of, is not guessed at",
        file="worker/adapters/gateway.py",
        old="            _told_unreadable(error, payment_id=payment.id)\n            return _unknown(call, payment, error)\n"
        "        except Exception as error:",
        new="            return replace(_unknown(call, payment, error), result=Result.REFUSED)\n"
        "        except Exception as error:",
        tests=("tests/conformance/gateway/test_stripe_gateway.py::test_an_intent_that_cannot_be_read_is_unknown",),
    ),
    Safeguard(
        name="a create never confirms",
        promise="P1: a create moves no money, so one whose outcome is lost may be looked for, or left",
        file=CALLS,
        old='        "automatic_payment_methods": {"enabled": True},\n',
        new='        "automatic_payment_methods": {"enabled": True},\n        "confirm": True,\n',
        tests=(f"{WORKER}/test_core_create.py::test_a_create_never_confirms",),
    ),
    Safeguard(
        name="bounded chains",
        promise="P5: a delivery stays short: after ten calls the rest is left to the sweeper",
        file="worker/domain/heads.py",
        old="        if isinstance(step.message, Answer) and step.message.chained >= limits.MAX_CHAINED:\n"
        "            step.put_call(replace(head, due_at=step.now))\n            break\n",
        new="",
        tests=(f"{WORKER}/test_core_answers.py::test_ten_calls_are_chained_and_the_rest_is_left",),
    ),
)
