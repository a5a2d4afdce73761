"""A user is forgotten: with the real parts, by the operator's command line."""

import asyncio
import json
from typing import Any

import pytest

from contracts.commands import CreatePayment, SetUpPaymentMethod
from contracts.replies import Verdict
from tests.e2e.support.service import Service
from worker.ops.cli import main

USER = "jane-doe-4711"
MAIL = "jane.doe@example.org"


async def test_a_user_is_forgotten_everywhere(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """After `payments erase` no collection and no event's body names the user or the address; amounts stay."""
    await service.worker()
    for number in range(3):
        order = CreatePayment(
            order_id=f"order-{number}",
            user_id=USER,
            amount=1999,
            currency="eur",
            receipt_email=MAIL,
            use_customer=number == 0,
        )
        reply = await service.send(order, f"create-{number}")
        await service.stripe.pay(str(reply.client_secret))
    assert (await service.send(SetUpPaymentMethod(user_id=USER), "set-up")).client_secret
    await service.quiesce()
    payment = str(service.payment("order-1")["_id"])
    assert (await service.refund(payment, "r-1", 500)).verdict is Verdict.ACCEPTED
    assert USER in everything(service)
    arguments = ["erase", "--user", USER, "--requested-by", "support-1"]
    code = await asyncio.to_thread(main, arguments, {"RABBITMQ_URL": service.rabbitmq_url})
    assert (code, capsys.readouterr().out) == (0, "3 payments erased\n")
    await service.quiesce()
    kept = everything(service)
    assert USER not in kept
    assert MAIL not in kept
    stored = service.payment("order-1")
    assert (stored["captured"], stored["refunded"], stored["user_id"]) == (1999, 500, "erased")
    for found in service.payments_stored():
        assert service.listener.types(found["_id"]).count("erased") == 1
    again = await asyncio.to_thread(main, arguments, {"RABBITMQ_URL": service.rabbitmq_url})
    assert (again, capsys.readouterr().out) == (0, "0 payments erased\n")


def everything(service: Service) -> str:
    """All that the database holds, as text."""
    names = service.database.list_collection_names()
    found: dict[str, list[Any]] = {name: list(service.database[name].find()) for name in names}
    return json.dumps(found, default=str)
