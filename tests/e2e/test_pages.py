"""The programs and commands of the pages about the ways of money, against the whole service."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.events import PaymentErased, PaymentLateMoney
from contracts.replies import Reply, Verdict
from contracts.views import DisputeStatus, RefundStatus
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

DOCS = Path(__file__).parents[2] / "docs"
WAIT_S = 20.0


def program(name: str) -> dict[str, Any]:
    """What a page's program defines."""
    (text,) = re.findall(r"```python\n(.*?)```", (DOCS / f"{name}.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(text, f"docs/{name}.md", "exec"), names)
    return names


async def heard(service: Service, payment: str, kind: str) -> None:
    async def said() -> bool:
        return kind in service.listener.types(payment)

    await until(said, WAIT_S, f"{payment} did not say {kind}")


async def disputed(service: Service, order: str) -> str:
    """Have the order's payment disputed; the dispute's id."""
    payment = service.payment(order)
    dispute = await service.stripe.dispute(str(payment["stripe"]["payment_intent_id"]))
    await heard(service, payment["_id"], "dispute_opened")
    return str(dispute["id"])


async def test_money_is_held_and_captured_as_on_the_page(service: Service) -> None:
    """The page's two functions hold an order's money and take it in two parcels."""
    await service.worker()
    page = program("captures")
    opened: Reply = await page["hold"](service.payments, "o-1", "user-1")
    assert await service.stripe.pay(str(opened.client_secret)) == "requires_capture"
    assert opened.payment is not None
    payment = opened.payment.payment_id
    await heard(service, payment, "authorized")
    first: Reply = await page["ship"](service.payments, payment, "p-1", 8000, last=False)
    last: Reply = await page["ship"](service.payments, payment, "p-2", 4000, last=True)
    assert first.payment is not None
    assert last.payment is not None
    assert (first.payment.captured, first.payment.capturable) == (8000, 7000)
    assert (last.payment.captured, last.payment.status) == (12000, "succeeded")


async def test_money_is_given_back_as_on_the_page(service: Service) -> None:
    """A part, the same part again, and the rest."""
    await service.worker()
    payment = await service.paid("o-1")
    give_back = program("refunds")["give_back"]
    replies: list[Reply] = [
        await give_back(service.payments, payment, *what) for what in (("r-1", 700), ("r-1", 700), ("r-2", None))
    ]
    refunds = [reply.refund for reply in replies if reply.refund]
    assert [(refund.amount, refund.status) for refund in refunds] == [
        (700, RefundStatus.SUCCEEDED),
        (700, RefundStatus.SUCCEEDED),
        (1299, RefundStatus.SUCCEEDED),
    ]


async def test_disputes_are_answered_as_on_the_page(service: Service) -> None:
    """Evidence puts a dispute under review; giving in loses it."""
    await service.worker()
    page = program("disputes")
    first, second = await service.paid("o-1"), await service.paid("o-2")
    answered: Reply = await page["answer"](service.payments, first, await disputed(service, "o-1"), "JD014600")
    lost: Reply = await page["give_in"](service.payments, second, await disputed(service, "o-2"))
    assert answered.dispute is not None
    assert lost.dispute is not None
    assert (answered.dispute.status, lost.dispute.status) == (DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST)


@pytest.mark.parametrize(("deliver", "status"), [(True, "succeeded"), (False, "refunded")])
async def test_late_money_is_decided_about_as_on_the_page(service: Service, *, deliver: bool, status: str) -> None:
    """Asked about money that came during a cancel, the page's function keeps it or gives it back."""
    await service.worker()
    secret = await service.created("o-1")
    await service.stripe.fault("latency", path="*/cancel", ms=1000)
    canceling = asyncio.create_task(service.cancel("o-1"))
    await until(lambda: struck(service, "latency"), WAIT_S, "the cancel did not reach Stripe")
    await service.stripe.pay(secret)
    assert (await canceling).verdict is Verdict.REFUSED
    payment = service.payment("o-1")["_id"]
    await heard(service, payment, "late_money")
    (event,) = (event for event in service.listener.events(payment) if event.type == PaymentLateMoney.TYPE)
    asked = PaymentLateMoney.model_validate(event.data)
    await program("late-money")["decide"](service.payments, asked, deliver=deliver)
    await heard(service, payment, "resolved")
    if not deliver:
        await heard(service, payment, "refunded")
    assert service.listener.events(payment)[-1].data["status"] == status


async def struck(service: Service, kind: str) -> bool:
    return kind in await service.stripe.fired()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on the PATH")
async def test_a_user_is_forgotten_as_on_the_page(service: Service) -> None:
    """The page's command prints how many payments there were, and they say so."""
    await service.worker()
    (command,) = re.findall(r"```bash\n(.*?)```", (DOCS / "retention.md").read_text("utf-8"), re.DOTALL)
    payment = await service.paid("o-1")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    process = await asyncio.create_subprocess_exec(
        *("bash", "-ec", command.replace("u-7", "user-1")),
        env={"PATH": path, "RABBITMQ_URL": service.rabbitmq_url},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert (process.returncode, printed.decode()) == (0, "1 payments erased\n")
    await heard(service, payment, PaymentErased.TYPE.removeprefix("payment."))
