"""What each command asks for, beyond the types of its fields."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts.commands import (
    COMMANDS,
    MAX_AMOUNT,
    MAX_EVIDENCE,
    PRIVILEGED_COMMANDS,
    CancelPayment,
    CapturePayment,
    Command,
    ConfirmPayment,
    CreatePayment,
    EvidenceField,
    OrdinaryCommand,
    PrivilegedCommand,
    RefundPayment,
    SubmitEvidence,
)
from contracts.envelope import decode, unwrap
from contracts.errors import InvalidMessage
from contracts.generate.catalogue import Message, Sender, messages
from contracts.generate.examples import bodies, envelopes
from contracts.generate.schemas import schema_of
from contracts.replies import Reply
from contracts.views import PaymentView

Json = dict[str, Any]

CREATE: Json = {"order_id": "o-1", "user_id": "u-1", "amount": 1999, "currency": "eur"}
CONFIRM: Json = {"payment_id": "pay_a_1", "payment_method": "pm_1"}
CAPTURE: Json = {"payment_id": "pay_a_1", "requested_by": "shop"}
REFUND: Json = CAPTURE | {"refund_id": "return-1"}
EVIDENCE: Json = CAPTURE | {"dispute_id": "dp_1", "evidence": {"product_description": "shoes"}}

LONGEST_TEXT = 20_000
WHOLE = MAX_EVIDENCE // LONGEST_TEXT
FULL: Json = {
    **{field.value: "x" * LONGEST_TEXT for field in list(EvidenceField)[:WHOLE]},
    "uncategorized_text": "x" * (MAX_EVIDENCE - WHOLE * LONGEST_TEXT),
}

PRIVILEGED = [m for m in messages() if m.sender is Sender.CLIENTS and m.kind in PRIVILEGED_COMMANDS]


def refusal(model: type[BaseModel], data: Json) -> tuple[str, str]:
    """The field at fault and the rule, of a body that is refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    first = caught.value.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"]


def test_every_command_is_registered_once() -> None:
    """Each command is in the registry of its exchange, and in one alone."""
    assert set(COMMANDS.values()) == set(get_args(OrdinaryCommand))
    assert set(PRIVILEGED_COMMANDS.values()) == set(get_args(PrivilegedCommand))
    assert set(get_args(Command)) == {*COMMANDS.values(), *PRIVILEGED_COMMANDS.values()}
    assert not COMMANDS.keys() & PRIVILEGED_COMMANDS.keys()


@pytest.mark.parametrize("message", PRIVILEGED, ids=lambda message: message.kind)
def test_who_asks_is_named_where_it_matters(message: Message) -> None:
    """Each privileged command must say who asked for it, and its schema says so too."""
    (body, *_) = (one.model_dump(mode="json", exclude_none=True) for one in bodies(message).values())
    del body["requested_by"]
    assert refusal(message.model, body) == ("requested_by", "Field required")
    assert "requested_by" in schema_of(message)["required"]


@pytest.mark.parametrize("message", PRIVILEGED, ids=lambda message: message.kind)
def test_a_privileged_command_is_unknown_among_the_ordinary(message: Message) -> None:
    """A reader of the ordinary commands refuses each privileged one by its type, however well it is formed."""
    for wire in envelopes(message).values():
        with pytest.raises(InvalidMessage, match="unknown type"):
            unwrap(decode(wire), COMMANDS)
        assert message.kind == unwrap(decode(wire), PRIVILEGED_COMMANDS).TYPE


@pytest.mark.parametrize("data", [{"user_id": "auth0|5f7c"}, {"order_id": "auth0|5f7c"}])
def test_a_bar_belongs_into_user_ids_alone(data: Json) -> None:
    """Whoever is known as `auth0|…` elsewhere can pay here; an order's id may have no bar."""
    if "user_id" in data:
        assert CreatePayment.model_validate(CREATE | data).user_id == "auth0|5f7c"
    else:
        assert refusal(CreatePayment, CREATE | data)[0] == "order_id"


def test_several_captures_need_a_manual_one() -> None:
    """`multicapture` is refused without `capture_method: manual`, and allowed with it."""
    assert refusal(CreatePayment, CREATE | {"multicapture": True})[1].endswith(
        "multicapture needs capture_method manual"
    )
    assert CreatePayment.model_validate(CREATE | {"multicapture": True, "capture_method": "manual"}).multicapture
    assert not CreatePayment.model_validate(CREATE | {"capture_method": "manual"}).multicapture


@pytest.mark.parametrize(
    "address", ["ann@example.com", "a@b", "o'hara+x@shop.example", "\N{LATIN SMALL LETTER U WITH DIAERESIS}@x.example"]
)
def test_an_address_has_one_at_sign(address: str) -> None:
    """Text around one at sign is taken for an e-mail address as it is."""
    assert CreatePayment.model_validate(CREATE | {"receipt_email": address}).receipt_email == address


@pytest.mark.parametrize(
    "address", ["", "ann", "@", "ann@", "@example.com", "a@b@c", "a b@c", "a@b\n", "a\0@b", "a" * 250 + "@b.ex"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """Text that cannot be an e-mail address, and could smuggle a second line into one, is refused."""
    assert refusal(CreatePayment, CREATE | {"receipt_email": address})[0] == "receipt_email"


def test_a_confirm_sends_the_customer_back_or_has_none() -> None:
    """A confirm needs a return address unless it says that the customer is not there."""
    assert refusal(ConfirmPayment, CONFIRM) == ("", "Value error, give a return_url, or say off_session")
    assert refusal(ConfirmPayment, CONFIRM | {"off_session": False})[0] == ""
    assert ConfirmPayment.model_validate(CONFIRM | {"off_session": True}).return_url is None
    assert not ConfirmPayment.model_validate(CONFIRM | {"return_url": "https://shop.example/o/1"}).off_session


@pytest.mark.parametrize("model", [CapturePayment, RefundPayment])
@pytest.mark.parametrize("amount", [0, -1, 19.99, 500.0, "500", True, MAX_AMOUNT + 1])
def test_a_partial_amount_is_a_positive_whole_number(model: type[BaseModel], amount: object) -> None:
    """An amount to capture or refund is a positive integer: no text, no boolean, no float, not even a whole one."""
    assert refusal(model, REFUND | {"amount": amount} if model is RefundPayment else CAPTURE | {"amount": amount})[
        0
    ] == ("amount")


def test_without_an_amount_all_is_meant() -> None:
    """A capture and a refund may leave the amount out, and a capture is the last one unless it says otherwise."""
    assert CapturePayment.model_validate(CAPTURE).amount is None
    assert CapturePayment.model_validate(CAPTURE).final
    assert RefundPayment.model_validate(REFUND).amount is None


def test_a_refund_has_a_name() -> None:
    """A refund without a `refund_id`, or with one that no key could hold, is refused."""
    assert refusal(RefundPayment, CAPTURE)[0] == "refund_id"
    assert refusal(RefundPayment, CAPTURE | {"refund_id": "a b"})[0] == "refund_id"


def test_evidence_has_stripes_size() -> None:
    """All texts of the evidence together may be as long as Stripe allows, and not one character longer."""
    assert sum(map(len, FULL.values())) == MAX_EVIDENCE
    whole = SubmitEvidence.model_validate(EVIDENCE | {"evidence": FULL})
    assert len(whole.evidence) == len(FULL)
    longer = FULL | {"uncategorized_text": FULL["uncategorized_text"] + "x"}
    assert refusal(SubmitEvidence, EVIDENCE | {"evidence": longer}) == (
        "",
        "Value error, all texts together have at most 150000 characters",
    )


@pytest.mark.parametrize(
    "evidence",
    [{}, {"receipt": "file_1"}, {"product_description": ""}, {"product_description": "x" * (LONGEST_TEXT + 1)}],
)
def test_evidence_is_some_text_by_stripes_names(evidence: Json) -> None:
    """No evidence, a name that Stripe has no text for, an empty text and one that is too long are refused."""
    assert refusal(SubmitEvidence, EVIDENCE | {"evidence": evidence})[0].split(".")[0] == "evidence"


def test_evidence_is_submitted_unless_it_says_otherwise() -> None:
    """Evidence goes to the bank by default: who only saves it must say so."""
    assert SubmitEvidence.model_validate(EVIDENCE).submit
    assert not SubmitEvidence.model_validate(EVIDENCE | {"submit": False}).submit


@given(note=st.text(max_size=600))
def test_a_note_is_short(note: str) -> None:
    """A note has between one and 500 characters, whatever they are."""
    data = json.loads(json.dumps(CAPTURE | {"note": note}))
    try:
        assert CapturePayment.model_validate(data).note == note
    except ValidationError as error:
        assert (error.errors()[0]["loc"], 1 <= len(note) <= 500) == (("note",), False)  # noqa: PT017 - both outcomes are right, for different notes


@pytest.mark.parametrize("amount", [1999.0, 19.99, "1999", True])
def test_an_amount_that_is_announced_is_a_whole_number(amount: object) -> None:
    """A reader of ours takes an amount in an event or a reply only as an integer: a float is refused, not cut off."""
    view = next(iter(body for m in messages() if m.model is Reply for body in bodies(m).values()))
    assert isinstance(view, Reply)
    assert view.payment is not None
    whole = view.payment.model_dump(mode="json", exclude_none=True)
    assert PaymentView.model_validate(whole) == view.payment
    for field in ("amount", "captured", "refunded", "disputed", "reserved", "refundable", "capturable"):
        assert refusal(PaymentView, whole | {field: amount})[0] == field


def test_a_cancel_says_why_unless_it_is_the_customer() -> None:
    """A cancel is the customer's wish unless it says otherwise."""
    assert CancelPayment(order_id="o-1").reason == "requested_by_customer"
