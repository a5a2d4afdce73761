"""What a request may say, and how what it may not is told."""

from typing import Any

import pytest

from contracts.commands import CreatePayment
from contracts.queries import GetPaymentStats, ListUserPayments
from contracts.views import PaymentStatus
from tests.unit.webhook_ingress.asgi import Answer, Ingress
from tests.unit.webhook_ingress.workers import OWNER, PAYMENT_ID
from webhook_ingress.api.gate import MAX_BODY_BYTES

INTENT = "/api/payments/intent"
CREATE = {"order_id": "order-1", "amount": 1999, "currency": "eur"}
CONFIRM = f"/api/payments/{PAYMENT_ID}/confirm"
HISTORY = "/api/payments/user"
STATS = "/api/payments/stats"


@pytest.fixture
def ingress() -> Ingress:
    return Ingress()


async def test_a_create_says_what_the_contract_allows(ingress: Ingress) -> None:
    """Every field of the contract's that is the sender's comes through."""
    body = CREATE | {"capture_method": "manual", "multicapture": True, "metadata": {"cart": "7"}, "use_customer": True}
    body |= {"description": "A bike", "setup_future_usage": "off_session", "receipt_email": "a@example.org"}
    assert (await ingress.ask("POST", INTENT, body)).status == 201
    (command,) = ingress.workers.commands.values()
    assert command == CreatePayment.model_validate(body | {"user_id": OWNER})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "order_id"),
        (CREATE | {"amount": 0}, "amount"),
        (CREATE | {"amount": -1}, "amount"),
        (CREATE | {"amount": 19.99}, "amount"),
        (CREATE | {"amount": "1999"}, "amount"),
        (CREATE | {"amount": True}, "amount"),
        (CREATE | {"amount": None}, "amount"),
        (CREATE | {"amount": 10**13}, "amount"),
        (CREATE | {"amount": 10**400}, "amount"),
        (CREATE | {"currency": "euro"}, "currency"),
        (CREATE | {"currency": 978}, "currency"),
        (CREATE | {"order_id": ""}, "order_id"),
        (CREATE | {"order_id": "x" * 129}, "order_id"),
        (CREATE | {"order_id": "a b"}, "order_id"),
        (CREATE | {"order_id": "a\n"}, "order_id"),
        (CREATE | {"metadata": {"k": "v" * 501}}, "metadata.k"),
        (CREATE | {"metadata": {f"k{n}": "" for n in range(41)}}, "metadata"),
        (CREATE | {"metadata": {"k": 1}}, "metadata.k"),
        (CREATE | {"description": "x" * 1001}, "description"),
        (CREATE | {"capture_method": "later"}, "capture_method"),
        (CREATE | {"multicapture": "yes"}, "multicapture"),
        (CREATE | {"multicapture": True}, None),
        (CREATE | {"user_id": None}, "user_id"),
        (CREATE | {"amonut": 5}, "amonut"),
        (CREATE | {"payment_id": PAYMENT_ID}, "payment_id"),
        (CREATE | {"expires_at": "soon"}, "expires_at"),
        (CREATE | {"expires_at": 1_700_000_000}, "expires_at"),
        (CREATE | {"expires_at": "1700000000"}, "expires_at"),
        (CREATE | {"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ([], None),
        ("text", None),
        (7, None),
    ],
)
async def test_a_wrong_field_is_named(ingress: Ingress, body: Any, field: str | None) -> None:
    """What breaks the contract is 422 `invalid` with the field, and nothing is sent."""
    answer = await ingress.ask("POST", INTENT, body)
    assert (answer.status, answer.json()["code"], answer.json().get("field")) == (422, "invalid", field)
    assert ingress.workers.commands == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CONFIRM, {"payment_method": "pm_1"}, None),
        (CONFIRM, {"payment_method": "pm_1", "return_url": "no address"}, "return_url"),
        (CONFIRM, {"payment_method": "pm 1", "off_session": True}, "payment_method"),
        (f"/api/payments/{PAYMENT_ID}/cancel", {"reason": "bored"}, "reason"),
        (f"/api/payments/{PAYMENT_ID}/cancel", {"order_id": "order-2"}, "order_id"),
        ("/api/payments/methods", {"usage": "never"}, "usage"),
        ("/api/payments/methods", {"user_id": "user-2"}, "user_id"),
        ("/api/payments/methods/pm_1/default", {"payment_method": "pm_2"}, "payment_method"),
    ],
)
async def test_other_commands_are_checked_too(ingress: Ingress, path: str, body: Any, field: str | None) -> None:
    """Each command is checked by its own model, and what the ingress fills in cannot be named."""
    answer = await ingress.ask("POST", path, body)
    assert (answer.status, answer.json().get("field")) == (422, field)
    assert ingress.workers.commands == {}


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "body_not_json"),
        (b"\xff", 400, "body_not_json"),
        (b'{"amount": NaN}', 400, "body_not_json"),
        (b'{"a": ' * 5000, 400, "body_not_json"),
        (b'"\\ud800"', 400, "body_not_json"),
        (b"x" * (MAX_BODY_BYTES + 1), 413, "body_too_large"),
        (b"", 422, "invalid"),
    ],
)
async def test_a_body_that_is_no_json_is_told(ingress: Ingress, raw: bytes, status: int, code: str) -> None:
    """Broken, foreign, too deep, too long and missing bodies each have their answer."""
    answer = await ingress.ask("POST", INTENT, raw)
    assert (answer.status, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_only_json_is_read(ingress: Ingress, kind: str) -> None:
    """Another content type is 415: a form of a foreign page could send those without asking first."""
    answer = await ingress.ask("POST", INTENT, CREATE, content_type=kind)
    assert (answer.status, answer.json()["code"]) == (415, "not_json")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_a_content_type_may_say_more(ingress: Ingress, kind: str) -> None:
    """Parameters and capitals do not matter."""
    assert (await ingress.ask("POST", INTENT, CREATE, content_type=kind)).status == 201


async def test_a_history_is_filtered(ingress: Ingress) -> None:
    """Statuses, a currency, days, a page and its size become the query's fields."""
    filters = (
        "status=succeeded&status=refunded&currency=EUR&created_since=2026-01-01T00:00:00%2B01:00&limit=5&cursor=abc"
    )
    await ingress.ask("GET", f"{HISTORY}?{filters}")
    (query,) = ingress.workers.queries
    assert query == ListUserPayments(
        user_id=OWNER,
        viewer=OWNER,
        statuses=(PaymentStatus.SUCCEEDED, PaymentStatus.REFUNDED),
        currency="eur",
        created_since="2026-01-01T00:00:00+01:00",
        limit=5,
        cursor="abc",
    )


async def test_statistics_are_asked_for_as_a_query(ingress: Ingress) -> None:
    """The period, the currency, the time zone and the step become the query's fields."""
    period = "since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&currency=eur&timezone=Europe/Berlin&step=day"
    await ingress.ask("GET", f"{STATS}?{period}", who="admin-1")
    (query,) = ingress.workers.queries
    assert isinstance(query, GetPaymentStats)
    assert (query.timezone, query.step, query.viewer) == ("Europe/Berlin", "day", None)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"{HISTORY}?limit=0", 422, "limit"),
        (f"{HISTORY}?limit=101", 422, "limit"),
        (f"{HISTORY}?limit=five", 422, "limit"),
        (f"{HISTORY}?limit=", 422, "limit"),
        (f"{HISTORY}?limit=1e1", 422, "limit"),
        (f"{HISTORY}?limit=5&limit=6", 422, "limit"),
        (f"{HISTORY}?status=paid", 422, "status.0"),
        (f"{HISTORY}?currency=euro", 422, "currency"),
        (f"{HISTORY}?created_since=2026-01-01", 422, "created_since"),
        (f"{HISTORY}?created_since=0.5", 422, "created_since"),
        (f"{HISTORY}?created_until=1700000000", 422, "created_until"),
        (f"{HISTORY}?created_until=2026-13-01T00:00:00Z", 422, "created_until"),
        (f"{HISTORY}?cursor=%20", 422, "cursor"),
        (f"{HISTORY}?viewer=user-2", 422, "viewer"),
        (f"{HISTORY}?statuses=succeeded", 422, "statuses"),
        (f"{HISTORY}?colour=red", 422, "colour"),
        (f"{HISTORY}?limit", 400, None),
        (f"{HISTORY}?limit=%ff", 400, None),
        (f"{HISTORY}?" + "&".join(["status=succeeded"] * 41), 400, None),
        (f"/api/payments/status/{PAYMENT_ID}?command=a%20b", 422, "command"),
        (f"/api/payments/status/{PAYMENT_ID}?payment_intent_id=pi_1", 422, "payment_intent_id"),
    ],
)
async def test_a_wrong_parameter_is_named(ingress: Ingress, path: str, status: int, field: str | None) -> None:
    """Unknown, repeated and malformed parameters are refused, and nothing is asked."""
    answer = await ingress.ask("GET", path)
    assert (answer.status, answer.json().get("field")) == (status, field)
    assert ingress.workers.queries == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/payments/status/nothing",
        "/api/payments/status/pay_0a1b_1%0A",
        "/api/payments/status/pi_",
        "/api/payments/order/a%20b",
        "/api/payments/pay_0A1B_1/confirm",
        "/api/payments/methods/pm-1/default",
    ],
)
async def test_what_cannot_be_an_id_is_not_there(ingress: Ingress, path: str) -> None:
    """A part of a path that is no id is 404, and the workers are not bothered."""
    answer: Answer = await ingress.ask("POST" if path.endswith(("confirm", "default")) else "GET", path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert ingress.workers.queries == []


async def test_an_order_id_may_have_a_slash(ingress: Ingress) -> None:
    """What the contract allows in an order's id can be asked for, escaped."""
    assert (await ingress.ask("GET", "/api/payments/order/shop%2F7:a%40b")).status == 200
    (query,) = ingress.workers.queries
    assert getattr(query, "order_id", None) == "shop/7:a@b"
