"""`payments verify` on what a whole service has stored."""

import pytest

from tests.e2e.support.service import Service
from tests.integration.dead_letter_desk import Operator
from worker.ops.cli import main


@pytest.fixture
def operator(service: Service, capfd: pytest.CaptureFixture[str]) -> Operator:
    return Operator(service, capfd)


async def test_what_a_service_stored_is_what_its_steps_make(service: Service, operator: Operator) -> None:
    """Payments of a whole service are equal to their replay; one that was changed is named by the field, with exit code 1."""
    await service.worker()
    payment = await service.paid("order-1")
    await service.refund(payment, "refund-1", 500)
    await service.created("order-2")
    await service.quiesce()
    told = await operator.reads("verify", "--all")
    assert (told["payments"], told["equal"], told["different"], told["unverifiable"]) == (2, 2, 0, {})
    assert told["steps"] >= 6
    intent = service.payment("order-1")["stripe"]["payment_intent_id"]
    assert [(await operator.reads("verify", name))["equal"] for name in (payment, intent, "order-1")] == [1] * 3
    payments = service.database["payments"]
    payments.update_one({"_id": payment}, {"$inc": {"captured": 1}, "$pull": {"refunds": {"id": "refund-1"}}})
    payments.update_one({"order_id": "order-2"}, {"$unset": {"inputs": ""}})
    told = await operator.reads("verify", "--all", code=1)
    assert (told["equal"], told["different"], sum(told["unverifiable"].values())) == (0, 1, 1)
    found = {one["field"]: (one["stored"], one["replayed"]) for one in told["differences"]}
    assert found["captured"] == (2000, 1999)
    assert found["refunds[refund-1]"][0] is None
    assert found["refunds[refund-1]"][1]["amount"] == 500
    shown = await operator.types("verify", payment, code=1)
    assert "refunds[refund-1]" in shown
    assert "0 of 1 payments" in shown
    assert "older release" in await operator.types("verify", "order-2", code=1)
    assert await operator.types("verify", "order-9", code=1) == ""


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "pay_1", "--all"], ["verify", "--some"]])
def test_one_payment_or_all(arguments: list[str]) -> None:
    """Without a payment and without --all, or with both, it is a wrong use: exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    assert ended.value.code == 2


def test_the_database_must_be_named(capfd: pytest.CaptureFixture[str]) -> None:
    """Without MONGO_URI it ends with exit code 2 and says so."""
    assert main(["verify", "--all"], {}) == 2
    assert "MONGO_URI" in capfd.readouterr().err
