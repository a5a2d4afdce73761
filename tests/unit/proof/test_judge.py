"""The comparison at the heart of the money proof."""

import pytest

from contracts.views import DisputeStatus, RefundStatus
from worker.domain.parts import HOLDS_MONEY, UNDER_WAY
from worker.movements import PART_OF, Part
from worker.proof import Contradiction, Drift, Held, Moved, Sums, add, judge, unknown

INTENT = "pi_1"


def moved(category: str, settled: int, **changes: object) -> Moved:
    """A movement in euros without a conversion, unless told otherwise."""
    name = {Part.CAPTURE: "ch_1", Part.REFUND: "re_1", Part.DISPUTE: "du_1"}[PART_OF[category]]
    made: dict[str, object] = {
        "intent_id": INTENT,
        "source_id": name,
        "category": category,
        "currency": "eur",
        "whole": abs(settled),
        "settled": settled,
        "settled_currency": "eur",
        "fee": 0,
        "at": 0,
    }
    made |= changes
    made.setdefault("transaction_id", f"txn_{made['source_id']}_{category}")
    return Moved(**made)  # type: ignore[arg-type] # what a test changes


def held(captured: int = 2000, currency: str = "eur", **changes: object) -> Held:
    return Held("pay_1_1", INTENT, currency, captured, **changes)  # type: ignore[arg-type] # what a test changes


CHARGED = moved("charge", 2000)


def test_what_agrees_is_no_drift() -> None:
    """A payment with a refund, a failed one, a lost and a won dispute agrees when each moved as its status says."""
    payment = held(
        refunds={"re_1": (500, RefundStatus.SUCCEEDED), "re_2": (300, RefundStatus.FAILED)},
        disputes={"du_1": (700, DisputeStatus.LOST), "du_2": (100, DisputeStatus.WON)},
    )
    moves = [
        CHARGED,
        moved("refund", -500),
        moved("refund", -300, source_id="re_2"),
        moved("refund_failure", 300, source_id="re_2"),
        moved("dispute", -700, fee=1500),
        moved("dispute", -100, source_id="du_2"),
        moved("dispute_reversal", 100, source_id="du_2"),
    ]
    verdict = judge(payment, moves)
    assert verdict.drifts == []
    assert verdict.sums == Sums(payments=1, captured=2000, refunded=500, disputed=700, stripe=800)
    assert verdict.sums.here == 800


@pytest.mark.parametrize("captured", [1999, 2001, 0])
def test_a_cent_of_capture_is_a_drift(captured: int) -> None:
    """One minor unit more or less than moved at Stripe is told, with both sides."""
    (drift,) = judge(held(captured), [CHARGED]).drifts
    assert (drift.part, drift.here, drift.stripe, drift.difference) == ("capture", captured, 2000, 2000 - captured)


def test_money_that_never_moved_is_a_drift() -> None:
    """What our books say was captured, refunded and disputed, and of which Stripe has nothing, are three drifts."""
    payment = held(
        refunds={"re_1": (500, RefundStatus.SUCCEEDED)}, disputes={"du_1": (100, DisputeStatus.NEEDS_RESPONSE)}
    )
    found = judge(payment, []).drifts
    assert [(drift.part, drift.difference) for drift in found] == [
        ("capture", -2000),
        ("refund", 500),
        ("dispute", 100),
    ]


def test_money_that_we_do_not_know_of_is_a_drift() -> None:
    """A refund and a dispute that only Stripe knows are told by their ids."""
    found = judge(held(), [CHARGED, moved("refund", -500), moved("dispute", -100)]).drifts
    assert [(drift.about, drift.here, drift.stripe) for drift in found] == [("re_1", 0, -500), ("du_1", 0, -100)]
    assert all("not known" in drift.why for drift in found)


@pytest.mark.parametrize("status", sorted(RefundStatus))
@pytest.mark.parametrize("taken", [0, -500])
def test_a_refund_must_have_moved_as_its_status_says(status: RefundStatus, taken: int) -> None:
    """A refund that is done has taken its money, one that came to nothing has not, and one under way may have."""
    moves = [CHARGED, *([moved("refund", taken)] if taken else [])]
    verdict = judge(held(refunds={"re_1": (500, status)}), moves)
    right = {0, -500} if status in UNDER_WAY else {-500} if status is RefundStatus.SUCCEEDED else {0}
    assert (verdict.drifts == []) is (taken in right)
    if not verdict.drifts:
        assert verdict.sums.here == verdict.sums.stripe


@pytest.mark.parametrize("status", sorted(DisputeStatus))
@pytest.mark.parametrize("taken", [0, -500])
def test_a_dispute_must_have_moved_as_its_status_says(status: DisputeStatus, taken: int) -> None:
    """A dispute that holds money has taken it; an inquiry, and one that was won, have not, or have given it back."""
    moves = [CHARGED, *([moved("dispute", taken)] if taken else [])]
    verdict = judge(held(disputes={"du_1": (500, status)}), moves)
    assert (verdict.drifts == []) is ((taken == -500) is (status in HOLDS_MONEY))


def test_a_part_of_an_unfinished_refund_is_a_drift() -> None:
    """A refund under way has taken all of its money or none."""
    (drift,) = judge(held(refunds={"re_1": (500, RefundStatus.PENDING)}), [CHARGED, moved("refund", -400)]).drifts
    assert (drift.here, drift.stripe) == (-500, -400)


def test_another_currency_is_a_drift() -> None:
    """Money of another currency than the payment's is never added to it, and is told."""
    found = judge(held(), [CHARGED, moved("charge", 2000, currency="usd", source_id="ch_2")]).drifts
    assert [(drift.part, drift.currency, drift.stripe) for drift in found] == [("currency", "usd", 2000)]


def test_a_payment_that_waits_for_a_person_says_so() -> None:
    """A drift that the payment itself has raised is told with the reason."""
    (drift,) = judge(held(1000, needs_review="terms_differ"), [CHARGED]).drifts
    assert "needs review: terms_differ" in drift.why


def test_a_document_that_contradicts_itself_drifts() -> None:
    """What a document says twice, and differently, is a drift beside what moved, and its sums are what it announces."""
    odd = (
        Contradiction(Part.REFUND, "total", -1999, -500, "the total"),
        Contradiction(Part.DISPUTE, "du_2", -100, 0, "it is listed twice"),
    )
    payment = held(refunds={"re_1": (500, RefundStatus.SUCCEEDED)}, contradictions=odd)
    verdict = judge(payment, [CHARGED, moved("refund", -500)])
    assert [(drift.part, drift.about, drift.difference) for drift in verdict.drifts] == [
        ("refund", "total", 1499),
        ("dispute", "du_2", 100),
    ]
    assert (verdict.sums.refunded, verdict.sums.disputed) == (1999, 100)


def test_money_of_nobody_is_a_drift() -> None:
    """Movements that bear our mark and belong to no payment are one drift, under the name that they bear."""
    moves = [moved("charge", 2000, payment_id="pay_lost_1"), moved("refund", -500)]
    drift = unknown(moves)
    assert (drift.payment_id, drift.intent_id, drift.here, drift.stripe) == ("pay_lost_1", INTENT, 0, 1500)
    assert isinstance(drift, Drift)


def test_sums_add_up() -> None:
    """Totals are the sums of the payments'."""
    total = Sums()
    for _ in range(3):
        add(total, judge(held(refunds={"re_1": (500, RefundStatus.SUCCEEDED)}), [CHARGED, moved("refund", -500)]).sums)
    assert (total.payments, total.captured, total.refunded, total.here, total.stripe) == (3, 6000, 1500, 4500, 4500)
