"""Customers with the real parts: a method is saved, charged when nobody is there, asked for, chosen and forgotten."""

import asyncio

from contracts.commands import ConfirmPayment, CreatePayment, DetachMethod, FutureUsage, SetDefaultMethod
from contracts.replies import RefusalCode, Reply, Verdict
from tests.e2e.support.service import RETURN_URL, Service
from tests.e2e.support.until import until


async def saved(service: Service, order: str, method: str) -> str:
    """Pay an order and save the method that pays; Stripe's id of it."""
    create = CreatePayment(
        order_id=order, user_id="user-1", amount=1999, currency="eur", setup_future_usage=FutureUsage.OFF_SESSION
    )
    reply = await service.send(create, f"create-{order}")
    secret = str(reply.client_secret)
    if await service.stripe.pay(secret, method) == "requires_action":
        await service.stripe.authenticate(secret, "succeed")
    known = len(methods(service))

    async def attached() -> bool:
        return len(methods(service)) > known

    await until(attached, 20, "the method was not saved")
    return methods(service)[0]


def methods(service: Service) -> list[str]:
    """The saved methods as the database has them, the newest first."""
    found = service.database["customers"].find_one()
    return [method["id"] for method in found["methods"]] if found else []


async def off_session(service: Service, order: str, method: str) -> tuple[Reply, Reply]:
    """Charge a saved method when nobody is there: the create's reply, and the confirm's."""
    create = CreatePayment(order_id=order, user_id="user-1", amount=500, currency="eur", use_customer=True)
    created = await service.send(create, f"create-{order}")
    assert created.payment is not None
    confirm = ConfirmPayment(payment_id=created.payment.payment_id, payment_method=method, off_session=True)
    return created, await service.send(confirm, f"confirm-{order}")


async def test_a_saved_card_pays_when_nobody_is_there(service: Service) -> None:
    """The method of a first payment is saved, pays a second one off session, and both have one customer at Stripe."""
    await service.worker()
    method = await saved(service, "order-1", "pm_card_visa")
    _, charged = await off_session(service, "order-2", method)
    assert charged.verdict is Verdict.ACCEPTED
    assert charged.payment is not None
    assert charged.payment.status == "succeeded"
    await service.assert_promises()
    customers = {payment["stripe"]["customer_id"] for payment in service.payments_stored()}
    assert len(customers) == 1
    assert await service.stripe.requests("POST", "/v1/customers") == 1


async def test_a_bank_that_wants_the_customer_is_told_by_name(service: Service) -> None:
    """Off session a card that must be authenticated is refused by name, and pays once the customer is there."""
    await service.worker()
    method = await saved(service, "order-1", "pm_card_authenticationRequired")
    created, refused = await off_session(service, "order-2", method)
    assert refused.refusal is not None
    assert refused.refusal.code is RefusalCode.AUTHENTICATION_REQUIRED
    assert created.payment is not None
    there = ConfirmPayment(payment_id=created.payment.payment_id, payment_method=method, return_url=RETURN_URL)
    asked = await service.send(there, "confirm-there")
    assert asked.next_action is not None
    await service.stripe.authenticate(str(asked.client_secret), "succeed")
    await service.assert_promises()
    assert {payment["status"] for payment in service.payments_stored()} == {"succeeded"}


async def test_a_default_is_chosen_and_a_method_forgotten(service: Service) -> None:
    """A saved method becomes the default, another is detached, and one that the user does not have is refused by name."""
    await service.worker()
    first = await saved(service, "order-1", "pm_card_visa")
    second = await saved(service, "order-2", "pm_card_mastercard")
    chosen = await service.send(SetDefaultMethod(user_id="user-1", payment_method=first), "default")
    assert chosen.customer is not None
    assert [method.payment_method for method in chosen.customer.methods if method.default] == [first]
    gone = await service.send(DetachMethod(user_id="user-1", payment_method=second), "detach")
    assert gone.customer is not None
    assert [method.payment_method for method in gone.customer.methods] == [first]
    other = await service.send(DetachMethod(user_id="user-2", payment_method=first), "not-theirs")
    assert other.refusal is not None
    assert other.refusal.code is RefusalCode.UNKNOWN_METHOD
    await service.assert_promises()


async def test_a_crowd_of_first_payments_makes_one_customer(service: Service) -> None:
    """Twenty first payments of one user at once on two workers wait for one customer, and all are created."""
    await asyncio.gather(service.worker(), service.worker())
    creates = [
        CreatePayment(order_id=f"order-{number}", user_id="user-1", amount=1999, currency="eur", use_customer=True)
        for number in range(20)
    ]
    await asyncio.gather(*(service.send(create, f"create-{create.order_id}") for create in creates))

    async def all_created() -> bool:
        return {payment["status"] for payment in service.payments_stored()} == {"requires_payment_method"}

    await until(all_created, 30, "not all payments were created")
    await service.assert_promises()
    assert len({payment["stripe"]["customer_id"] for payment in service.payments_stored()}) == 1
    assert (
        len({post["idempotency_key"] for post in await service.stripe.posts() if post["path"] == "/v1/customers"}) == 1
    )
