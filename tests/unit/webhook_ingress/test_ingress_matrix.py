"""Every role on every route with every owner: who gets which answer, as a table."""

from dataclasses import dataclass
from typing import Any

import pytest

from contracts.commands import Command
from contracts.queries import PaymentMethods, PaymentPage, Query, StatsView, TimelinePage
from tests.ingress_requests import token
from tests.unit.webhook_ingress.asgi import Ingress
from tests.unit.webhook_ingress.workers import NOT_FOUND, OWNER, PAYMENT_ID, FakeWorkers, owned, payment
from webhook_ingress.api.routes import ENDPOINTS

CREATE = {"order_id": "order-1", "amount": 1999, "currency": "eur"}
CONFIRM = {"payment_method": "pm_1", "return_url": "https://shop.example/back"}
PERIOD = "since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z"


@dataclass(frozen=True)
class Ask:
    """One request, and the endpoint that it is for."""

    endpoint: str
    path: str
    body: dict[str, Any] | None = None


OWN = (
    Ask("POST /api/payments/intent", "/api/payments/intent", CREATE),
    Ask("GET /api/payments/user", "/api/payments/user"),
    Ask("GET /api/payments/methods", "/api/payments/methods"),
    Ask("POST /api/payments/methods", "/api/payments/methods", {}),
    Ask("POST /api/payments/methods/{payment_method}/default", "/api/payments/methods/pm_1/default"),
    Ask("DELETE /api/payments/methods/{payment_method}", "/api/payments/methods/pm_1"),
)
"""What is the caller's own by itself."""

OWNED = (
    Ask("POST /api/payments/{payment_id}/confirm", f"/api/payments/{PAYMENT_ID}/confirm", CONFIRM),
    Ask("POST /api/payments/{payment_id}/cancel", f"/api/payments/{PAYMENT_ID}/cancel"),
    Ask("GET /api/payments/status/{id}", f"/api/payments/status/{PAYMENT_ID}"),
    Ask("GET /api/payments/status/{id}", "/api/payments/status/pi_1"),
    Ask("GET /api/payments/order/{order_id}", "/api/payments/order/order-1"),
)
"""What is about a payment of OWNER's."""

ADMIN = (
    Ask("POST /api/payments/{payment_id}/capture", f"/api/payments/{PAYMENT_ID}/capture"),
    Ask("POST /api/payments/{payment_id}/refund", f"/api/payments/{PAYMENT_ID}/refund", {"amount": 5}),
    Ask("GET /api/payments/{payment_id}/timeline", f"/api/payments/{PAYMENT_ID}/timeline"),
    Ask("GET /api/payments/stats", f"/api/payments/stats?{PERIOD}"),
)
"""What takes the role, whosever it is."""

ASKS = (*OWN, *OWNED, *ADMIN)


def as_the_worker(query: Query[Any]) -> Any:
    """Answers of the right kind, to those who may see them."""
    match query.TYPE:
        case "payment.list":
            return PaymentPage(items=(payment(),))
        case "customer.list_methods":
            return PaymentMethods(user_id=OWNER)
        case "payment.get_timeline":
            return TimelinePage(payment_id=PAYMENT_ID)
        case "payment.get_stats":
            moment = "2026-01-01T00:00:00Z"
            return (
                NOT_FOUND
                if query.viewer
                else StatsView.model_validate({"since": moment, "until": moment, "timezone": "UTC"})
            )
        case _:
            return owned(query)


@pytest.fixture
def ingress() -> Ingress:
    return Ingress(workers=FakeWorkers(answer=as_the_worker))


def test_every_endpoint_is_in_the_table() -> None:
    """No route is served that this table does not ask for."""
    assert {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS} == {ask.endpoint for ask in ASKS}


def expected(ask: Ask, who: str | None) -> set[int]:
    if who is None:
        return {401}
    if ask in ADMIN and who != "admin-1":
        return {403}
    if ask in OWNED and who not in {OWNER, "admin-1"}:
        return {404}
    return {200, 201}


@pytest.mark.parametrize("who", [None, OWNER, "user-2", "admin-1"])
@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.endpoint)
async def test_who_may_do_what(ingress: Ingress, ask: Ask, who: str | None) -> None:
    """Nobody is 401, a user 403 where the role is missing and 404 where it is another's, and only who may is served."""
    method = ask.endpoint.partition(" ")[0]
    answer = await ingress.ask(method, ask.path, ask.body, who=who)
    assert answer.status in expected(ask, who)
    if answer.status >= 400:
        assert ingress.workers.commands == {}


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.endpoint)
async def test_a_user_is_always_the_viewer(ingress: Ingress, ask: Ask) -> None:
    """No query of a user's leaves without naming them, and every command about a user names the token's."""
    await ingress.ask(ask.endpoint.partition(" ")[0], ask.path, ask.body)
    assert all(query.viewer == OWNER for query in ingress.workers.queries)
    assert all(getattr(command, "user_id", OWNER) == OWNER for command in ingress.workers.commands.values())


@pytest.mark.parametrize("role", ["administrator", "ADMIN", "admins", "user"])
async def test_only_the_very_role_is_an_administrator(ingress: Ingress, role: str) -> None:
    """A role that looks like the administrator's is none."""
    answer = await ingress.ask("POST", ADMIN[0].path, who=None, authorization=f"Bearer {token('user-1', role)}")
    assert answer.status == 403


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        ("/api/payments/user?user_id=user-1", "user-1", 200),
        ("/api/payments/user?user_id=user-1", "user-2", 403),
        ("/api/payments/user?user_id=user-1", "admin-1", 200),
        ("/api/payments/methods?user_id=user-1", "user-2", 403),
        ("/api/payments/methods?user_id=user-1", "admin-1", 200),
        (f"/api/payments/status/{PAYMENT_ID}?user_id=user-1", "user-2", 403),
        (f"/api/payments/status/{PAYMENT_ID}?user_id=user-2", "admin-1", 404),
        ("/api/payments/order/order-1?user_id=user-1", "user-2", 403),
    ],
)
async def test_only_administrators_look_for_others(ingress: Ingress, path: str, who: str, status: int) -> None:
    """A user who names another is refused; an administrator is answered as the one named would be."""
    assert (await ingress.ask("GET", path, who=who)).status == status


@pytest.mark.parametrize(("who", "status"), [("user-2", 403), ("admin-1", 201)])
async def test_only_the_trusted_open_payments_of_others(ingress: Ingress, who: str, status: int) -> None:
    """A user who names another in a create is refused, and nothing is sent."""
    answer = await ingress.ask("POST", "/api/payments/intent", CREATE | {"user_id": "user-1"}, who=who)
    assert answer.status == status
    users = [getattr(command, "user_id", None) for command in ingress.workers.commands.values()]
    assert users == (["user-1"] if status == 201 else [])


async def test_whom_payments_are_opened_for_is_a_setting() -> None:
    """With roles named, a user without one is 403, and a service with one opens a user's payment and may look for it."""
    ingress = Ingress(variables={"INTENT_ROLES": "order-service"})
    assert (await ingress.ask("POST", "/api/payments/intent", CREATE)).status == 403
    service = {"authorization": f"Bearer {token('orders', 'order-service')}"}
    body = CREATE | {"user_id": OWNER}
    assert (await ingress.ask("POST", "/api/payments/intent", body, who=None, **service)).status == 201
    for path in ("/api/payments/order/order-1", f"/api/payments/status/{PAYMENT_ID}"):
        assert (await ingress.ask("GET", path, who=None, **service)).status == 404
        assert (await ingress.ask("GET", f"{path}?user_id={OWNER}", who=None, **service)).status == 200


@pytest.mark.parametrize(
    ("routes", "status"),
    [("webhook", (404, 404, 400)), ("public", (201, 404, 404)), ("admin", (404, 200, 404)), ("", (201, 200, 400))],
)
async def test_routes_are_served_as_they_are_named(routes: str, status: tuple[int, int, int]) -> None:
    """A route that this process does not serve is not there."""
    ingress = Ingress(variables={"ROUTES": routes})
    opened = await ingress.ask("POST", "/api/payments/intent", CREATE)
    captured = await ingress.ask("POST", ADMIN[0].path, who="admin-1")
    sent = await ingress.post(b"{}", b"")
    assert (opened.status, captured.status, sent.status) == status


async def test_who_asked_comes_from_the_token(ingress: Ingress) -> None:
    """A refund names the administrator of the token, and a body that names another is refused."""
    path = f"/api/payments/{PAYMENT_ID}/refund"
    assert (await ingress.ask("POST", path, {"amount": 5}, who="admin-1")).status == 200
    (command,) = ingress.workers.commands.values()
    assert isinstance(command, Command)
    assert getattr(command, "requested_by", None) == "admin-1"
    answer = await ingress.ask("POST", path, {"requested_by": "admin-2"}, who="admin-1")
    assert (answer.status, answer.json()["field"]) == (422, "requested_by")
