"""Rule 25 for the whole service: canaries in every place where a secret is, and nobody's record, line or answer has one."""

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from contracts.commands import CreatePayment, SetUpPaymentMethod
from contracts.replies import Verdict
from tests.e2e.support.service import RETURN_URL, Service
from tests.e2e.support.worker import STRIPE_KEY
from tests.ingress_process import User
from tests.ingress_requests import JWT_SECRET, SECRET, WEBHOOK_PATH, bearer, event_body, signature_header, token

ADDRESS = "canary.receipt@example.com"
BROKER_PASSWORD = "canary-broker-password"
DATABASE_PASSWORD = "canary-database-password"
FORGED_BY = "canary-secret-of-somebody-who-forges-tokens"
ENDED_S = 40
REQUEST_S = 30


async def test_no_canary_is_told(service: Service) -> None:
    """No key, secret, token, password or address is in a collection, an event, a log line or an answer that is an error."""
    worker = await service.worker("--crash-at", "handled:2", LOG_LEVEL="DEBUG")
    secrets = await lived(service)
    answers = await refused(service, secrets["client secret"])
    logs = await asyncio.gather(login_refused(service), database_refused(service))
    books = await service.quiesce()
    assert worker.lines("handler_crashed"), "a traceback is where secrets like to be"
    places = {
        "logs": [*logs, worker.child.text(), service.ingress.child.text()],
        "errors": answers,
        "events": [body.decode() for bodies in books.listener.bodies.values() for body in bodies],
        "collections": [
            json.dumps(list(service.database[name].find()), default=str)
            for name in service.database.list_collection_names()
        ],
    }
    assert all(all(texts) and texts for texts in places.values())
    assert leaks(places, secrets | known()) == []


def known() -> dict[str, str]:
    """The canaries that are the same in every run."""
    return {
        "Stripe key": STRIPE_KEY,
        "webhook secret": SECRET,
        "JWT secret": JWT_SECRET,
        "broker login": "guest:guest",
        "broker password": BROKER_PASSWORD,
        "database password": DATABASE_PASSWORD,
        "forger": FORGED_BY,
        "address": ADDRESS,
        "client secrets": "_secret_",
        "signatures": "v1=",
        "tokens": "eyJ",
    }


def leaks(places: Mapping[str, list[str]], canaries: Mapping[str, str]) -> list[str]:
    """Which canary is where. The canary itself is not said again."""
    return [
        f"{name} in {place}"
        for place, texts in places.items()
        for name, canary in canaries.items()
        if any(canary in text for text in texts)
    ]


async def lived(service: Service) -> dict[str, str]:
    """A payment with all that is secret about it: declined, secured, paid, refunded; and a method that is saved."""
    create = CreatePayment(
        order_id="order-1", user_id="user-1", amount=1999, currency="eur", receipt_email=ADDRESS, use_customer=True
    )
    secret = str((await service.send(create, "create-1")).client_secret)
    assert "_secret_" in secret
    assert await service.stripe.pay(secret, "pm_card_chargeDeclined") == "requires_payment_method"
    assert await service.stripe.pay(secret, "pm_card_threeDSecure2Required") == "requires_action"
    await service.stripe.authenticate(secret, "succeed")
    await service.quiesce()
    payment = str(service.payment("order-1")["_id"])
    assert (await service.refund(payment, "r-1", 500)).verdict is Verdict.ACCEPTED
    setup = str((await service.send(SetUpPaymentMethod(user_id="user-1"), "set-up")).client_secret)
    assert "_secret_" in setup
    return {"client secret": secret, "secret of a setup": setup}


async def refused(service: Service, secret: str) -> list[str]:
    """What is answered to requests that put secrets where they do not belong."""
    url, payment = service.ingress.url, service.payment("order-1")["_id"]
    forged = {"Authorization": f"Bearer {token('user-1', 'admin', secret=FORGED_BY)}"}
    intent = {"order_id": "order-2", "amount": 1999, "currency": "eur"}
    confirm = {"payment_method": "pm_card_visa", "return_url": RETURN_URL}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S)) as session:
        customer, stranger = User(url, session, bearer("user-1", "customer")), User(url, session, forged)
        answers = [
            await stranger.get(f"/api/payments/status/{payment}"),
            await stranger.get(f"/elsewhere?token={secret}"),
            await customer.post("/api/payments/intent", intent | {"amount": secret}),
            await customer.post("/api/payments/intent", intent | {"currency": secret}),
            await customer.post("/api/payments/intent", intent | {"receipt_email": f"{ADDRESS}@"}),
            await customer.post("/api/payments/intent", intent | {"unknown": ADDRESS}),
            await customer.post("/api/payments/intent", [secret, ADDRESS]),
            await customer.post(f"/api/payments/{payment}/confirm", confirm),
        ]
        texts = []
        for answer in answers:
            assert answer.status >= 400, answer
            texts.append(json.dumps(answer.body) + json.dumps(dict(answer.headers)))
        body = event_body("evt_canary") + secret.encode()
        for signed in (signature_header(body, "whsec_canary_of_nobody"), signature_header(body), f"t=1,v1={secret}"):
            headers = {"Stripe-Signature": signed}
            async with session.post(url + WEBHOOK_PATH, data=body, headers=headers) as got:
                assert got.status == 400
                texts.append(await got.text())
        service.commands |= customer.asked
    return texts


async def login_refused(service: Service) -> str:
    """The log of a worker whose password the broker does not know."""
    parts = urlsplit(service.rabbitmq_url)
    wrong = urlunsplit(parts._replace(netloc=f"guest:{BROKER_PASSWORD}@{parts.netloc.rpartition('@')[2]}"))
    made = service.make_worker(RABBITMQ_URL=wrong, LOG_LEVEL="DEBUG")
    made.child.start()
    assert await made.child.ended(ENDED_S) != 0
    return made.child.text()


async def database_refused(service: Service) -> str:
    """The log of a worker whose database is not there."""
    away = f"mongodb://payments:{DATABASE_PASSWORD}@127.0.0.1:1/payments"
    made = service.make_worker(MONGO_URI=away, LOG_LEVEL="DEBUG")
    made.child.start()
    await made.logged("waiting", ENDED_S)
    await made.child.stop()
    return made.child.text()
