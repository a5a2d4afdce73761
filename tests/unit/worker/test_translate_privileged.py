"""Commands that move money or give it up: read with every field, and only where those who may send them can write."""

from typing import Any

import pytest

from contracts.commands import COMMANDS, PRIVILEGED_COMMANDS, RefundReason, Resolution
from contracts.errors import InvalidMessage
from tests.unit.worker.making import NOW
from tests.unit.worker.test_translate import CONFIRM, CREATE, enveloped
from worker.adapters import translate
from worker.adapters.translate import EraseUser
from worker.domain.messages import Accept, Capture, Evidence, Privileged, RefundWanted, Resolve
from worker.domain.record import Address, Trace

ASKED = {"payment_id": "pay_0a_1", "requested_by": "admin-1"}
TEXTS = {"customer_name": "Somebody", "uncategorized_text": "Delivered on Monday"}
USER = {"user_id": "user-1"}
TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-01"

SMALLEST: dict[str, dict[str, Any]] = {
    "payment.create": CREATE,
    "payment.confirm": CONFIRM,
    "payment.cancel": {"order_id": "order-1"},
    "customer.set_up_method": USER,
    "customer.set_default_method": USER | {"payment_method": "pm_1"},
    "customer.detach_method": USER | {"payment_method": "pm_1"},
    "payment.capture": ASKED,
    "payment.refund": ASKED | {"refund_id": "refund-1"},
    "payment.submit_evidence": ASKED | {"dispute_id": "du_1", "evidence": TEXTS},
    "payment.accept_dispute": ASKED | {"dispute_id": "du_1"},
    "payment.resolve": ASKED | {"decision": "keep"},
    "user.erase": USER | {"requested_by": "admin-1"},
}
"""Every command with what it cannot do without."""


def read(kind: str, data: dict[str, Any], *, privileged: bool = True, **attributes: Any) -> translate.Read:
    raw = enveloped(kind, data, **attributes)
    return translate.command(raw, Address("replies", "c-1"), "test", NOW, privileged=privileged)


def test_every_command_is_tried() -> None:
    """The table of this file names all commands that there are."""
    assert SMALLEST.keys() == COMMANDS.keys() | PRIVILEGED_COMMANDS.keys()


@pytest.mark.parametrize("kind", SMALLEST)
def test_a_command_is_known_on_its_own_queue_alone(kind: str) -> None:
    """A command that moves money is an unknown type on the ordinary queue, and an ordinary one on that of the privileged."""
    privileged = kind in PRIVILEGED_COMMANDS
    known = read(kind, SMALLEST[kind], privileged=privileged)
    assert "cmd-1" in {getattr(known, "message_id", None), getattr(known, "common", {}).get("message_id")}
    with pytest.raises(InvalidMessage) as refused:
        read(kind, SMALLEST[kind], privileged=not privileged)
    assert (refused.value.field, refused.value.message_id) == ("type", "cmd-1")
    assert "unknown type" in refused.value.rule


@pytest.mark.parametrize("kind", [kind for kind in PRIVILEGED_COMMANDS if kind.startswith("payment.")])
def test_who_asked_and_why_is_kept(kind: str) -> None:
    """Every privileged command brings its sender's word for who asked, a note where it may have one, and its trace."""
    noted = {} if kind == "payment.submit_evidence" else {"note": "Arrived broken"}
    command = read(kind, SMALLEST[kind] | noted, correlationid="order-1", traceparent=TRACEPARENT)
    assert isinstance(command, Privileged)
    assert (command.message_id, command.payment_id, command.requested_by) == ("cmd-1", "pay_0a_1", "admin-1")
    assert command.note == noted.get("note")
    assert command.reply == Address("replies", "c-1")
    assert command.trace == Trace(correlation_id="order-1", traceparent=TRACEPARENT)
    assert (command.issued_at, command.expires_at) == (NOW, NOW + translate.LIFETIME)


def test_a_capture_is_read() -> None:
    """A capture is of all that is held, and the last, unless it says otherwise."""
    whole = read("payment.capture", ASKED)
    part = read("payment.capture", ASKED | {"amount": 500, "final": False})
    assert isinstance(whole, Capture)
    assert isinstance(part, Capture)
    assert (whole.amount, whole.final) == (None, True)
    assert (part.amount, part.final) == (500, False)


@pytest.mark.parametrize("reason", [None, *RefundReason])
def test_a_refund_is_read(reason: RefundReason | None) -> None:
    """A refund has the caller's name, an amount or all that is left, and a reason or none."""
    said = {"amount": 500} | ({"reason": str(reason)} if reason else {})
    part = read("payment.refund", SMALLEST["payment.refund"] | said)
    assert isinstance(part, RefundWanted)
    assert (part.refund_id, part.amount, part.reason) == ("refund-1", 500, reason)
    whole = read("payment.refund", SMALLEST["payment.refund"])
    assert isinstance(whole, RefundWanted)
    assert whole.amount is None


def test_evidence_is_read() -> None:
    """Evidence has its texts by Stripe's names, is submitted unless it says otherwise, and is never printed."""
    command = read("payment.submit_evidence", SMALLEST["payment.submit_evidence"])
    assert isinstance(command, Evidence)
    assert (command.dispute_id, command.evidence, command.submit) == ("du_1", TEXTS, True)
    assert {type(name) for name in command.evidence} == {str}
    assert "Delivered on Monday" not in repr(command)
    staged = read("payment.submit_evidence", SMALLEST["payment.submit_evidence"] | {"submit": False})
    assert isinstance(staged, Evidence)
    assert not staged.submit


def test_giving_a_dispute_up_is_read() -> None:
    """An acceptance names its dispute."""
    command = read("payment.accept_dispute", SMALLEST["payment.accept_dispute"])
    assert isinstance(command, Accept)
    assert command.dispute_id == "du_1"


@pytest.mark.parametrize("decision", list(Resolution))
def test_a_decision_is_read(decision: Resolution) -> None:
    """Somebody decides that the money stays or goes."""
    command = read("payment.resolve", ASKED | {"decision": str(decision)})
    assert isinstance(command, Resolve)
    assert command.decision is decision


def test_an_erasure_is_read() -> None:
    """An erasure is of a user, and brings what each of the user's payments is told."""
    command = read("user.erase", SMALLEST["user.erase"] | {"note": "asked by letter"})
    assert isinstance(command, EraseUser)
    assert (command.user_id, command.requested_by) == ("user-1", "admin-1")
    assert (command.common["message_id"], command.common["note"]) == ("cmd-1", "asked by letter")


@pytest.mark.parametrize(
    ("kind", "wrong", "field"),
    [
        ("payment.capture", {"amount": 5.0}, "data.amount"),
        ("payment.capture", {"amount": "5"}, "data.amount"),
        ("payment.capture", {"amount": True}, "data.amount"),
        ("payment.capture", {"amount": 0}, "data.amount"),
        ("payment.refund", {"amount": -1}, "data.amount"),
        ("payment.refund", {"amount": 19.99}, "data.amount"),
        ("payment.refund", {"refund_id": ""}, "data.refund_id"),
        ("payment.refund", {"refund_id": "~refund-1"}, "data.refund_id"),
        ("payment.refund", {"reason": "because"}, "data.reason"),
        ("payment.refund", {"requested_by": None}, "data.requested_by"),
        ("payment.submit_evidence", {"evidence": {}}, "data.evidence"),
        ("payment.submit_evidence", {"evidence": {"receipt": "file_1"}}, "data.evidence.receipt.[key]"),
        ("payment.submit_evidence", {"evidence": {"customer_name": ""}}, "data.evidence.customer_name"),
        ("payment.submit_evidence", {"note": "why"}, "data.note"),
        ("payment.accept_dispute", {"dispute_id": "du_1/close"}, "data.dispute_id"),
        ("payment.resolve", {"decision": "wait"}, "data.decision"),
        ("user.erase", {"user_id": ""}, "data.user_id"),
    ],
)
def test_a_bad_field_is_named(kind: str, wrong: dict[str, Any], field: str) -> None:
    """A wrong field is named, and what it held is not repeated."""
    with pytest.raises(InvalidMessage) as refused:
        read(kind, SMALLEST[kind] | wrong)
    assert (refused.value.field, refused.value.message_id) == (field, "cmd-1")


def test_the_hash_tells_refunds_apart() -> None:
    """The same refund has the same hash whatever its expiry; another amount, name or kind has another."""

    def hash_of(kind: str, data: dict[str, Any]) -> str:
        command = read(kind, data)
        assert isinstance(command, Privileged)
        return command.body_hash

    smallest = SMALLEST["payment.refund"]
    first = hash_of("payment.refund", smallest)
    assert hash_of("payment.refund", smallest | {"expires_at": NOW.isoformat()}) == first
    others = [smallest | {"amount": 5}, smallest | {"refund_id": "refund-2"}, smallest | {"requested_by": "admin-2"}]
    assert len({first, *(hash_of("payment.refund", other) for other in others)}) == 4
