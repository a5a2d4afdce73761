"""A shop's life over HTTP, through ingress, broker, worker, database and Stripe's simulator."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from contracts.commands import CreatePayment
from contracts.queries import GetPaymentStats, StatsView
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.ingress_process import Answer, IngressProcess, User, users

RETURN_URL = "https://shop.example/back"
VISA = {"payment_method": "pm_card_visa", "return_url": RETURN_URL}
SETTLED_S = 30.0
ROLLED_UP_S = 40.0


class Shop:
    """A service with a worker, a customer, another one and an administrator."""

    def __init__(self, service: Service, user: Callable[..., User]) -> None:
        self.service = service
        self.user = user
        self.customer = user("user-1", "customer")
        self.other = user("user-2", "customer")
        self.admin = user("admin-1", "admin")

    async def open(self, order: str, *, key: str | None = None, **more: Any) -> Answer:
        body = {"order_id": order, "amount": 1999, "currency": "eur", **more}
        answer = await self.customer.post("/api/payments/intent", body, key=key)
        assert answer.status == 201, answer
        return answer

    async def opened(self, order: str, **more: Any) -> str:
        """The id of a new payment."""
        return str((await self.open(order, **more)).body["payment"]["payment_id"])

    async def paid(self, order: str, **more: Any) -> str:
        """The id of a payment that is paid, or whose money is held."""
        payment = await self.opened(order, **more)
        answer = await self.customer.post(f"/api/payments/{payment}/confirm", VISA)
        assert answer.status == 200, answer
        return payment

    async def until_shown(self, payment: str, status: str) -> Answer:
        """Ask for a payment until it has this status."""
        answers: list[Answer] = []

        async def shown() -> bool:
            answers.append(await self.customer.get(f"/api/payments/status/{payment}"))
            return bool(answers[-1].body["payment"]["status"] == status)

        await until(shown, SETTLED_S, f"{payment} is not {status}")
        return answers[-1]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two views are of one payment in one state; a webhook in between may have touched it."""
    return {**one, "updated_at": None} == {**other, "updated_at": None}


@pytest.fixture
async def shop(service: Service) -> AsyncIterator[Shop]:
    await service.worker()
    async with users(service.ingress.url) as user:
        made = Shop(service, user)
        yield made
        for one in (made.customer, made.other, made.admin):
            service.commands |= one.asked


async def test_a_customer_pays(shop: Shop) -> None:
    """A payment is opened, paid in the browser, and then shown by its id, Stripe's id, its order and its user."""
    opened = await shop.open("order-1", key="cart-1")
    payment, secret = opened.body["payment"], opened.body["client_secret"]
    assert same((await shop.customer.get(opened.headers["location"])).body["payment"], payment)
    assert await shop.service.stripe.pay(secret) == "succeeded"
    shown = (await shop.until_shown(payment["payment_id"], "succeeded")).body
    assert shown["payment"]["captured"] == 1999
    by_intent = await shop.customer.get(f"/api/payments/status/{payment['payment_intent_id']}")
    assert same(by_intent.body["payment"], shown["payment"])
    by_order = await shop.customer.get("/api/payments/order/order-1")
    assert [same(found, shown["payment"]) for found in by_order.body["payments"]] == [True]
    history = await shop.customer.get("/api/payments/user?status=succeeded&currency=EUR")
    assert [same(found, shown["payment"]) for found in history.body["items"]] == [True]
    assert (await shop.customer.get("/api/payments/user?status=canceled")).body["items"] == []
    assert secret not in str(shown) + str(history.body)


async def test_a_card_is_charged_by_confirm(shop: Shop) -> None:
    """A declined card is 402 with the bank's code, one that wants 3-D Secure says where to go, and a good one pays."""
    payment = await shop.opened("order-1")
    path = f"/api/payments/{payment}/confirm"
    declined = await shop.customer.post(path, VISA | {"payment_method": "pm_card_chargeDeclined"})
    assert (declined.status, declined.body["code"]) == (402, "card_declined")
    assert declined.body["decline_code"]
    assert declined.body["payment"]["status"] == "requires_payment_method"
    attempts = (await shop.customer.get(f"/api/payments/status/{payment}")).body["attempts"]
    assert [(attempt["outcome"], attempt["can_retry"]) for attempt in attempts] == [("declined", True)]
    paid = await shop.customer.post(path, VISA)
    assert (paid.status, paid.body["payment"]["status"]) == (200, "succeeded")
    secure = await shop.opened("order-2")
    asked = await shop.customer.post(
        f"/api/payments/{secure}/confirm", VISA | {"payment_method": "pm_card_threeDSecure2Required"}
    )
    assert (asked.status, asked.body["payment"]["status"]) == (200, "requires_action")
    assert asked.body["next_action"]["redirect_url"].startswith("http")


async def test_a_payment_is_given_up(shop: Shop) -> None:
    """A cancel ends it, a second one finds it ended, and then it cannot be charged."""
    payment = await shop.opened("order-1")
    for _ in range(2):
        answer = await shop.customer.post(f"/api/payments/{payment}/cancel")
        assert (answer.status, answer.body["payment"]["status"]) == (200, "canceled")
    refused = await shop.customer.post(f"/api/payments/{payment}/confirm", VISA)
    assert (refused.status, refused.body["code"]) == (409, "wrong_state")


async def test_money_is_captured_and_given_back(shop: Shop) -> None:
    """Held money is captured, part of it given back, never more than there is, and the story and the books have it all."""
    payment = await shop.paid("order-1", capture_method="manual")
    captured = await shop.admin.post(f"/api/payments/{payment}/capture", {"amount": 1500, "note": "one is sold out"})
    assert (captured.status, captured.body["payment"]["captured"]) == (200, 1500)
    path = f"/api/payments/{payment}/refund"
    for _ in range(2):
        refunded = await shop.admin.post(path, {"amount": 500}, key="return-7")
        assert (refunded.status, refunded.body["refund"]["amount"]) == (200, 500)
    too_much = await shop.admin.post(path, {"amount": 1001})
    assert (too_much.status, too_much.body["code"]) == (409, "amount_exceeds_refundable")
    assert too_much.body["payment"]["refundable"] == 1000
    shown = (await shop.until_shown(payment, "partially_refunded")).body
    assert (shown["payment"]["refunded"], len(shown["refunds"])) == (500, 1)
    story = (await shop.admin.get(f"/api/payments/{payment}/timeline?limit=100")).body
    asked = [(entry["kind"], entry.get("requested_by"), entry.get("note")) for entry in story["entries"]]
    assert ("capture", "admin-1", "one is sold out") in asked
    assert [kind for kind, who, _ in asked if who == "admin-1"].count("refund") == 2


async def test_a_key_is_one_command(shop: Shop) -> None:
    """The same key and body give the same payment and its secret again, another body is refused, another order is not."""
    first = await shop.open("order-1", key="cart-1")
    again = await shop.open("order-1", key="cart-1")
    assert again.body["command_id"] == first.body["command_id"]
    assert again.body["client_secret"] == first.body["client_secret"]
    body: dict[str, Any] = {"order_id": "order-1", "amount": 5, "currency": "eur"}
    changed = await shop.customer.post("/api/payments/intent", body, key="cart-1")
    assert (changed.status, changed.body["code"], changed.body["field"]) == (422, "id_reused", "Idempotency-Key")
    assert "payment" not in changed.body
    other = await shop.open("order-2", key="cart-1")
    assert other.body["payment"]["payment_id"] != first.body["payment"]["payment_id"]
    assert len(shop.service.payments_stored()) == 2
    path = f"/api/payments/{first.body['payment']['payment_id']}/confirm"
    for _ in range(2):
        assert (await shop.customer.post(path, VISA, key="pay")).status == 200
    declined = VISA | {"payment_method": "pm_card_chargeDeclined"}
    assert (await shop.customer.post(path, declined, key="pay")).body["code"] == "id_reused"
    assert await shop.service.stripe.requests("POST", "/v1/payment_intents/*/confirm") == 1


async def test_what_is_anothers_is_not_there(shop: Shop) -> None:
    """To another user a payment does not exist, its order is taken, and no secret of it is told."""
    payment = await shop.opened("order-1")
    for path in (f"/api/payments/status/{payment}", "/api/payments/order/order-1", "/api/payments/status/pay_0_1"):
        answer = await shop.other.get(path)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    for path, said in ((f"/api/payments/{payment}/confirm", VISA), (f"/api/payments/{payment}/cancel", None)):
        assert (await shop.other.post(path, said)).status == 404
    for action in ("capture", "refund"):
        assert (await shop.customer.post(f"/api/payments/{payment}/{action}")).status == 403
    body = {"order_id": "order-1", "amount": 1999, "currency": "eur"}
    taken = await shop.other.post("/api/payments/intent", body)
    assert (taken.status, taken.body["code"]) == (409, "order_has_payment")
    assert not {"payment", "client_secret"} & set(taken.body)
    assert (await shop.other.get("/api/payments/user")).body["items"] == []
    assert (await shop.admin.get("/api/payments/user?user_id=user-1")).body["items"][0]["payment_id"] == payment
    assert (await shop.customer.get(f"/api/payments/status/{payment}")).body["payment"]["status"] != "canceled"


async def test_a_card_is_saved_and_forgotten(shop: Shop) -> None:
    """A method that paid and was saved is listed, chosen as the default and forgotten, and a set-up gives a secret."""
    opened = await shop.open("order-1", setup_future_usage="off_session")
    await shop.service.stripe.pay(opened.body["client_secret"])
    found: list[str] = []

    async def listed() -> bool:
        methods = (await shop.customer.get("/api/payments/methods")).body["methods"]
        found[:] = [method["payment_method"] for method in methods]
        return bool(found)

    await until(listed, SETTLED_S, "the method is not listed")
    path = f"/api/payments/methods/{found[0]}"
    assert (await shop.other.post(f"{path}/default")).status == 404
    chosen = await shop.customer.post(f"{path}/default")
    assert (chosen.status, chosen.body["customer"]["methods"][0]["default"]) == (200, True)
    forgotten = await shop.customer.ask("DELETE", path)
    assert (forgotten.status, forgotten.body["customer"]["methods"]) == (200, [])
    set_up = await shop.customer.post("/api/payments/methods", {}, key="save-1")
    assert set_up.status == 201
    assert set_up.body["client_secret"].startswith("seti_")


async def test_figures_are_for_administrators(shop: Shop) -> None:
    """What happened is in the period's figures as soon as they are rolled up, as a plain recount of the payments has it."""
    declined = VISA | {"payment_method": "pm_card_chargeDeclined"}
    payments = [await shop.opened("order-0"), await shop.paid("order-1"), await shop.paid("order-2", amount=500)]
    assert (await shop.customer.post(f"/api/payments/{payments[0]}/confirm", declined)).status == 402
    for amount in (300, 200):
        refund = await shop.admin.post(f"/api/payments/{payments[1]}/refund", {"amount": amount})
        assert refund.status == 200, refund
    await shop.until_shown(payments[1], "partially_refunded")
    now, day = datetime.now(UTC), timedelta(days=1)
    since, until_then = now - day, now + day
    wanted = await recounted(shop, payments)

    async def rolled_up() -> bool:
        told = await shop.service.payments.ask(GetPaymentStats(since=since, until=until_then))
        assert isinstance(told, StatsView), told
        return any(one.total.model_dump().items() >= wanted.items() for one in told.currencies)

    await until(rolled_up, ROLLED_UP_S, f"the figures are not {wanted}")
    period = urlencode({"since": since.isoformat(), "until": until_then.isoformat(), "currency": "eur", "step": "hour"})
    told = await shop.admin.get(f"/api/payments/stats?{period}")
    (found,) = told.body["currencies"]
    assert found["total"].items() >= wanted.items()
    assert (found["total"]["captured"], found["total"]["refunded"]) == (2499, 500)
    assert sum(point["captured"] for point in found["series"]) == 2499
    path = "/api/payments/stats?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z"
    empty = await shop.admin.get(path)
    assert (empty.status, empty.body["currencies"]) == (200, [])
    assert (await shop.admin.get(f"{path}&timezone=Mars/Olympus")).body["field"] == "timezone"
    assert (
        await shop.admin.get("/api/payments/stats?since=2020-01-01T00:00:00Z&until=2022-01-01T00:00:00Z")
    ).status == 422
    assert (await shop.customer.get(path)).status == 403


async def recounted(shop: Shop, payments: list[str]) -> dict[str, Any]:
    """The figures by counting what is shown of each payment."""
    shown = [(await shop.admin.get(f"/api/payments/status/{payment}")).body for payment in payments]
    views = [one["payment"] for one in shown]
    paid = [view for view in views if view["captured"]]
    refunds = [refund for one in shown for refund in one["refunds"] if refund["status"] == "succeeded"]
    attempts = [attempt for one in shown for attempt in one["attempts"] if attempt["outcome"] == "declined"]
    return {
        "created": len(views),
        "asked": sum(view["amount"] for view in views),
        "statuses": Counter(view["status"] for view in views),
        "succeeded": len(paid),
        "refund_rate": round(sum(bool(view["refunded"]) for view in views) / len(paid), 4),
        "declines": Counter(attempt["decline_code"] for attempt in attempts),
        "captured": sum(view["captured"] for view in views),
        "captures": len(paid),
        "refunded": sum(refund["amount"] for refund in refunds),
        "refunds": len(refunds),
        "disputed": 0,
    }


async def test_what_is_late_is_found_where_it_is_said(service: Service) -> None:
    """Without a worker a create is 202; its place tells what became of it, and the same request then gets the secret."""
    ingress = IngressProcess(service.directory / "impatient", service.rabbitmq_url, ANSWER_TIMEOUT_S="1")
    body = {"order_id": "shop/1", "amount": 1999, "currency": "eur"}
    try:
        await ingress.start()
        await ingress.child.http_ok(f"{ingress.url}/ready")
        async with users(ingress.url) as user:
            customer = user("user-1")
            late = await customer.post("/api/payments/intent", body, key="cart-1")
            assert (late.status, late.body["verdict"]) == (202, "pending")
            place = late.headers["location"]
            assert place == f"/api/payments/order/shop%2F1?command={late.body['command_id']}"
            assert (await customer.get(place)).status == 503
            await service.worker()

            async def known() -> bool:
                answer = await customer.get(place)
                return answer.status == 200 and answer.body["command"]["verdict"] == "accepted"

            await until(known, SETTLED_S, "the command is not known")
            again = await customer.post("/api/payments/intent", body, key="cart-1")
            assert (again.status, again.body["command_id"]) == (201, late.body["command_id"])
            assert again.body["client_secret"]
            service.commands |= customer.asked
    finally:
        ingress.child.kill()
    assert len((await service.assert_promises()).payments) == 1


async def test_a_refusal_without_a_payment_is_found(shop: Shop) -> None:
    """A create that was refused has no payment, and its order's place tells why all the same."""
    body = {"order_id": "order-1", "amount": 1, "currency": "eur"}
    refused = await shop.customer.post("/api/payments/intent", body)
    assert (refused.status, refused.body["code"], refused.body["field"]) == (422, "amount_too_small", "amount")
    place = f"/api/payments/order/order-1?command={refused.body['command_id']}"
    assert (await shop.customer.get(place)).body["command"]["refusal"]["code"] == "amount_too_small"


async def test_the_ingress_holds_no_key_and_no_database(shop: Shop) -> None:
    """All of this runs in a process whose environment has neither Stripe's key nor an address of the database."""
    await shop.paid("order-1")
    environment, maps = await asyncio.to_thread(look_into, shop.service.ingress.child.pid)
    names = {pair.partition("=")[0] for pair in environment.split("\0")}
    assert "RABBITMQ_URL" in names
    assert not [name for name in names if "MONGO" in name or name == "STRIPE_SECRET_KEY"]
    assert "sk_test" not in environment
    assert shop.service.mongo_uri not in environment
    assert "pydantic_core" in maps
    assert "/bson/" not in maps
    assert "/pymongo/" not in maps


def look_into(pid: int) -> tuple[str, str]:
    """The environment that a process was started with, and the files that are mapped into it."""
    process = Path("/proc") / str(pid)
    return (process / "environ").read_text(), (process / "maps").read_text()


async def test_a_command_of_the_brokers_is_the_same(shop: Shop) -> None:
    """What an order service opened over the broker its user sees and pays over HTTP."""
    command = CreatePayment(order_id="order-1", user_id="user-1", amount=1999, currency="eur")
    reply = await shop.service.send(command, "create-1")
    assert reply.payment is not None
    assert (await shop.customer.get("/api/payments/order/order-1")).status == 200
    assert (await shop.customer.post(f"/api/payments/{reply.payment.payment_id}/confirm", VISA)).status == 200
    await shop.service.assert_promises()
