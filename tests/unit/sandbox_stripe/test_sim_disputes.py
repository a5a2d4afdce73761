"""Disputes: how they begin, what evidence decides, and where the money goes."""

import itertools
from typing import Any

import pytest

from sandbox.stripe.dispute_states import CLOSED, REFUNDABLE, TRANSITIONS, Status, due_by, path
from tests.unit.sandbox_stripe.intents import PLAIN, created, make
from tests.unit.sandbox_stripe.raw import Raw

SOON = {"advance_s": 3601}
DAY_S = 24 * 3600


async def paid(raw: Raw, card: str = "pm_card_visa") -> dict[str, Any]:
    return await created(raw, f"{PLAIN}&payment_method={card}&confirm=true&capture_method=automatic")


async def disputed(raw: Raw, card: str = "pm_card_createDispute") -> dict[str, Any]:
    """The dispute that a test card makes."""
    intent = await paid(raw, card)
    await raw.control("clock", SOON)
    (dispute,) = (await raw.get(f"/v1/disputes?payment_intent={intent['id']}")).body["data"]
    found: dict[str, Any] = dispute
    return found


async def opened(raw: Raw, **body: Any) -> dict[str, Any]:
    """A dispute made by the control."""
    intent = await paid(raw)
    made: dict[str, Any] = await raw.control(f"payment_intents/{intent['id']}/dispute", body)
    return made


async def submitted(raw: Raw, dispute: dict[str, Any], text: str) -> dict[str, Any]:
    """The dispute after the bank has thought about the evidence."""
    first = await raw.post(f"/v1/disputes/{dispute['id']}", f"evidence[uncategorized_text]={text}")
    assert first.body["status"] in {"under_review", "warning_under_review"}
    await raw.control("clock", SOON)
    return await now(raw, dispute)


async def now(raw: Raw, dispute: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await raw.get(f"/v1/disputes/{dispute['id']}")).body
    return body


async def newest(raw: Raw, count: int) -> list[str]:
    return [event["type"] for event in (await raw.get(f"/v1/events?limit={count}")).body["data"]]


def test_the_table_has_a_row_for_every_status() -> None:
    """No status is forgotten, and these four are final."""
    assert set(TRANSITIONS) == set(Status)
    assert {Status.WARNING_CLOSED, Status.WON, Status.LOST, Status.PREVENTED} == CLOSED


@pytest.mark.parametrize(("start", "to"), list(itertools.product(Status, Status)))
def test_a_path_is_a_walk_through_the_table(start: Status, to: Status) -> None:
    """Every path found is one of allowed inputs, and from a closed dispute there is none."""
    way = path(start, to)
    if way is None:
        assert start in CLOSED or to in {Status.WARNING_NEEDS_RESPONSE, Status.PREVENTED} or start not in REFUNDABLE
        return
    here = start
    for happened in way:
        here = TRANSITIONS[here][happened]
    assert here is to


@pytest.mark.parametrize(
    ("card", "status", "said"),
    [
        ("pm_card_createDispute", "needs_response", ("fraudulent", "chargeback", "10.4")),
        ("pm_card_createDisputeProductNotReceived", "needs_response", ("product_not_received", "chargeback", "13.1")),
        ("pm_card_createDisputeInquiry", "warning_needs_response", ("fraudulent", "inquiry", "10")),
    ],
)
async def test_a_card_disputes(raw: Raw, card: str, status: str, said: tuple[str, str, str]) -> None:
    """The charge succeeds and is disputed in full, by a chargeback or an inquiry."""
    dispute = await disputed(raw, card)
    assert (dispute["status"], dispute["amount"]) == (status, 2000)
    details = dispute["payment_method_details"]["card"]
    assert (dispute["reason"], details["case_type"], details["network_reason_code"]) == said
    assert dispute["is_charge_refundable"] is (details["case_type"] == "inquiry")
    charge = (await raw.get(f"/v1/charges/{dispute['charge']}")).body
    assert (charge["disputed"], charge["status"], charge["amount_refunded"]) == (True, "succeeded", 0)


async def test_a_chargeback_takes_the_money_and_a_fee(raw: Raw) -> None:
    """The withdrawal is an adjustment, is on the dispute, and is an event of its own."""
    dispute = await disputed(raw)
    (money,) = dispute["balance_transactions"]
    assert (money["type"], money["reporting_category"], money["source"]) == ("adjustment", "dispute", dispute["id"])
    assert (money["amount"], money["fee"], money["net"]) == (-2000, 1500, -3500)
    assert await newest(raw, 2) == ["charge.dispute.funds_withdrawn", "charge.dispute.created"]
    assert (await raw.get(f"/v1/balance_transactions/{money['id']}")).body == money
    assert (await raw.get(f"/v1/balance_transactions?source={dispute['id']}")).body["data"] == []


async def test_an_inquiry_takes_nothing(raw: Raw) -> None:
    """Its charge can still be refunded."""
    dispute = await disputed(raw, "pm_card_createDisputeInquiry")
    assert dispute["balance_transactions"] == []
    assert await newest(raw, 1) == ["charge.dispute.created"]
    assert (await raw.post("/v1/refunds", f"charge={dispute['charge']}")).status == 200


async def test_a_charged_back_charge_cannot_be_refunded(raw: Raw) -> None:
    """charge_disputed, by charge and by intent, until the dispute is won."""
    dispute = await disputed(raw)
    for form in (f"charge={dispute['charge']}", f"payment_intent={dispute['payment_intent']}&amount=5"):
        answer = await raw.post("/v1/refunds", form)
        assert (answer.status, answer.body["error"]["code"]) == (400, "charge_disputed")
    await submitted(raw, dispute, "winning_evidence")
    assert (await raw.post("/v1/refunds", f"charge={dispute['charge']}")).status == 200


async def test_winning_evidence_brings_the_money_back(raw: Raw) -> None:
    """Under review first, then won: the money is reinstated and the fee is not."""
    dispute = await submitted(raw, await disputed(raw), "winning_evidence")
    assert (dispute["status"], dispute["is_charge_refundable"]) == ("won", True)
    taken, back = dispute["balance_transactions"]
    assert (back["reporting_category"], back["amount"], back["fee"]) == ("dispute_reversal", -taken["amount"], 0)
    assert await newest(raw, 5) == [
        "charge.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
        "charge.updated",
        "charge.dispute.updated",
    ]


async def test_losing_evidence_loses(raw: Raw) -> None:
    """Closed as lost, and the money stays away."""
    dispute = await submitted(raw, await disputed(raw), "losing_evidence")
    assert (dispute["status"], len(dispute["balance_transactions"])) == ("lost", 1)
    assert await newest(raw, 2) == ["charge.updated", "charge.dispute.closed"]


async def test_other_evidence_stays_under_review(raw: Raw) -> None:
    """Nobody decides about it by himself."""
    dispute = await submitted(raw, await disputed(raw), "a+receipt")
    assert dispute["status"] == "under_review"


@pytest.mark.parametrize("text", ["winning_evidence", "losing_evidence"])
async def test_an_inquiry_ends_without_money(raw: Raw, text: str) -> None:
    """Whatever the evidence says, an inquiry that does not escalate is closed as a warning."""
    dispute = await submitted(raw, await disputed(raw, "pm_card_createDisputeInquiry"), text)
    assert (dispute["status"], dispute["balance_transactions"]) == ("warning_closed", [])


async def test_an_inquiry_can_escalate(raw: Raw) -> None:
    """It becomes a chargeback that wants an answer of its own; refunds still on their way fail."""
    dispute = await disputed(raw, "pm_card_createDisputeInquiry")
    await raw.control(f"payment_intents/{dispute['payment_intent']}/refund_fate", {"fate": "insufficient_funds"})
    refund = (await raw.post("/v1/refunds", f"charge={dispute['charge']}&amount=500")).body
    after = await submitted(raw, dispute, "escalate_inquiry_evidence")
    assert (after["status"], after["is_charge_refundable"]) == ("needs_response", False)
    assert after["payment_method_details"]["card"]["case_type"] == "chargeback"
    assert [money["amount"] for money in after["balance_transactions"]] == [-2000]
    stopped = (await raw.get(f"/v1/refunds/{refund['id']}")).body
    assert (stopped["status"], stopped["failure_reason"]) == ("failed", "charge_for_pending_refund_disputed")
    assert "charge.dispute.funds_withdrawn" in await newest(raw, 3)


async def test_an_inquiry_about_refunded_money_does_not_escalate(raw: Raw) -> None:
    """After a refund in full nothing is withdrawn any more: it closes as a warning, and the control cannot escalate it."""
    dispute, other = [await disputed(raw, "pm_card_createDisputeInquiry") for _ in range(2)]
    for row in (dispute, other):
        await raw.post("/v1/refunds", f"charge={row['charge']}")
    assert "error" in await raw.control(f"disputes/{other['id']}/move", {"to": "lost"})
    after = await submitted(raw, dispute, "escalate_inquiry_evidence")
    assert (after["status"], after["balance_transactions"]) == ("warning_closed", [])


async def test_evidence_can_be_staged(raw: Raw) -> None:
    """submit=false keeps the status; a later submit=true sends what is there, and the count says so."""
    dispute = await disputed(raw)
    url = f"/v1/disputes/{dispute['id']}"
    staged = (await raw.post(url, "evidence[customer_name]=Ada&submit=false&metadata[a]=1")).body
    assert (staged["status"], staged["evidence"]["customer_name"], staged["metadata"]) == (
        "needs_response",
        "Ada",
        {"a": "1"},
    )
    details = staged["evidence_details"]
    assert (details["has_evidence"], details["submission_count"]) == (True, 0)
    sent = (await raw.post(url, "submit=true")).body
    assert (sent["status"], sent["evidence_details"]["submission_count"]) == ("under_review", 1)
    assert sent["evidence"]["customer_name"] == "Ada"


async def test_a_dispute_can_be_accepted(raw: Raw) -> None:
    """Closing is losing, and a closed dispute takes neither evidence nor another close."""
    dispute = await disputed(raw)
    url = f"/v1/disputes/{dispute['id']}"
    assert (await raw.post(f"{url}/close")).body["status"] == "lost"
    for answer in (await raw.post(f"{url}/close"), await raw.post(url, "evidence[customer_name]=Ada")):
        assert (answer.status, answer.body["error"]["message"]) == (400, "This dispute is already closed")


@pytest.mark.parametrize(("kind", "end"), [("chargeback", "lost"), ("inquiry", "warning_closed")])
async def test_an_unanswered_dispute_ends_on_its_due_date(raw: Raw, kind: str, end: str) -> None:
    """Past due_by a chargeback is lost and an inquiry is over; one that is under review waits."""
    silent, answered = await opened(raw, kind=kind), await opened(raw, kind=kind)
    await raw.post(f"/v1/disputes/{answered['id']}", "evidence[customer_name]=Ada")
    assert silent["evidence_details"]["due_by"] == due_by(silent["created"])
    await raw.control("clock", {"advance_s": 10 * DAY_S})
    assert (await now(raw, silent))["status"] == end
    assert (await now(raw, answered))["status"].endswith("under_review")


async def test_an_authorization_is_not_disputed(raw: Raw) -> None:
    """The card disputes what was captured, once it was."""
    form = f"{PLAIN}&payment_method=pm_card_createDispute&confirm=true&capture_method=manual"
    intent = await created(raw, form)
    await raw.control("clock", SOON)
    assert (await raw.get("/v1/disputes")).body["data"] == []
    await raw.post(f"/v1/payment_intents/{intent['id']}/capture", "amount_to_capture=1500")
    await raw.control("clock", SOON)
    assert [row["amount"] for row in (await raw.get("/v1/disputes")).body["data"]] == [1500]


async def test_a_charge_may_be_disputed_twice(raw: Raw) -> None:
    """The card for several disputes makes two that share the amount."""
    intent = await paid(raw, "pm_card_createMultipleDisputes")
    await raw.control("clock", SOON)
    rows = (await raw.get(f"/v1/disputes?charge={intent['latest_charge']}")).body["data"]
    assert [(row["reason"], row["amount"]) for row in rows] == [("product_not_received", 1000), ("fraudulent", 1000)]


async def test_a_debit_is_disputed_for_good(raw: Raw) -> None:
    """A SEPA dispute cannot be answered: it is lost as it begins."""
    form = "amount=2000&currency=eur&payment_method_types[]=sepa_debit&confirm=true"
    intent = await created(raw, f"{form}&payment_method=pm_sepaDebit_disputed")
    await raw.control(f"payment_intents/{intent['id']}/settle")
    await raw.control("clock", SOON)
    (dispute,) = (await raw.get("/v1/disputes")).body["data"]
    assert (dispute["status"], dispute["evidence_details"]["due_by"]) == ("lost", 0)
    assert await newest(raw, 3) == [
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.created",
    ]


async def test_any_dispute_can_be_made_and_moved(raw: Raw) -> None:
    """By intent or charge, of a part, with its due date; a win may bring back less than was taken."""
    dispute = await opened(raw, kind="inquiry", reason="duplicate", amount=700, due_by=2_000_000_000)
    assert (dispute["amount"], dispute["reason"], dispute["evidence_details"]["due_by"]) == (
        700,
        "duplicate",
        2_000_000_000,
    )
    won = await raw.control(f"disputes/{dispute['id']}/move", {"to": "won", "amount": 300})
    assert [money["amount"] for money in won["balance_transactions"]] == [-700, 300]
    prevented = await raw.control(f"charges/{dispute['charge']}/dispute", {"kind": "prevented"})
    assert (prevented["status"], prevented["balance_transactions"]) == ("prevented", [])
    (entry,) = (await raw.control("ledger", method="GET"))["payment_intents"]
    assert [row["status"] for row in entry["disputes"]] == ["won", "prevented"]


@pytest.mark.parametrize("body", [{"kind": "x"}, {"reason": "x"}, {"amount": 0}, {"colour": "red"}])
async def test_a_bad_dispute_is_refused(raw: Raw, body: dict[str, Any]) -> None:
    """An unknown kind, reason or name, and a dispute about nothing, are errors."""
    assert "error" in await opened(raw, **body)


async def test_only_captured_money_is_disputed(raw: Raw) -> None:
    """The control refuses to dispute what was not taken."""
    intent = await make(raw, "requires_capture")
    assert "error" in await raw.control(f"charges/{intent['latest_charge']}/dispute", {})


async def test_a_move_that_leads_nowhere_is_refused(raw: Raw) -> None:
    """Nothing leads out of lost, and no win regains more than was taken."""
    dispute = await opened(raw)
    assert "error" in await raw.control(f"disputes/{dispute['id']}/move", {"to": "won", "amount": 2001})
    await raw.control(f"disputes/{dispute['id']}/move", {"to": "lost"})
    assert "error" in await raw.control(f"disputes/{dispute['id']}/move", {"to": "won"})


async def test_disputes_are_found(raw: Raw) -> None:
    """One that does not exist is a 404 about `dispute`; the charge and the intent of one that does can be expanded."""
    answer = await raw.get("/v1/disputes/du_none")
    assert (answer.status, answer.body["error"]["param"]) == (404, "dispute")
    dispute = await opened(raw)
    shown = (await raw.get(f"/v1/disputes/{dispute['id']}?expand[]=charge.payment_intent")).body
    assert shown["charge"]["payment_intent"]["id"] == dispute["payment_intent"]


async def test_a_converted_dispute_takes_and_returns_the_same(raw: Raw) -> None:
    """Won in full it brings back to the unit what it took, whatever the rate is then."""
    await raw.control("account", {"settlement_currency": "eur", "exchange_rates": {"usd": "0.92"}})
    dispute = await opened(raw)
    await raw.control("account", {"exchange_rates": {"usd": "0.5"}})
    won = await raw.control(f"disputes/{dispute['id']}/move", {"to": "won"})
    assert [(money["amount"], money["currency"]) for money in won["balance_transactions"]] == [
        (-1840, "eur"),
        (1840, "eur"),
    ]
    assert (won["amount"], won["currency"]) == (2000, "usd")
