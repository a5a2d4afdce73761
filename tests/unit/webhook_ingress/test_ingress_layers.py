"""What every answer wears, who may ask from a browser, and whose address is believed."""

from html import escape

import pytest

from tests.unit.webhook_ingress.asgi import Answer, Ingress, call
from tests.unit.webhook_ingress.workers import PAYMENT_ID
from webhook_ingress import docs_page

STATUS = f"/api/payments/status/{PAYMENT_ID}"
SHOP = {"ALLOWED_ORIGINS": "https://shop.example,http://localhost:3000"}


async def test_a_correlation_id_comes_back() -> None:
    """The sender's id is in the answer, the log line and what is sent on."""
    ingress = Ingress()
    answer = await ingress.ask("GET", STATUS, x_correlation_id="cart-7")
    assert answer.headers[b"x-correlation-id"] == b"cart-7"
    assert ingress.workers.correlations == ["cart-7"]
    assert ingress.lines[-1]["correlation_id"] == "cart-7"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "a\nb", "ü"])
async def test_an_id_that_cannot_be_ours_is_replaced(sent: str) -> None:
    """What would not fit a header or a log line is not passed on."""
    ingress = Ingress()
    answer = await ingress.ask("GET", STATUS, x_correlation_id=sent)
    made = answer.headers[b"x-correlation-id"].decode()
    assert made != sent
    assert ingress.workers.correlations == [made]


@pytest.mark.parametrize("path", [STATUS, "/api/payments/user?x=1", "/health", "/nothing", "/openapi.json"])
async def test_every_answer_is_closed_to_guessing(path: str) -> None:
    """Good or bad, an answer is not stored, framed, sniffed or referred to."""
    answer = await Ingress().ask("GET", path)
    assert answer.headers[b"cache-control"] == b"no-store"
    assert answer.headers[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    assert answer.headers[b"x-content-type-options"] == b"nosniff"
    assert answer.headers[b"x-frame-options"] == b"DENY"
    assert answer.headers[b"referrer-policy"] == b"no-referrer"
    assert answer.headers[b"strict-transport-security"]


async def preflight(ingress: Ingress, origin: str, method: str = "POST") -> Answer:
    headers = [(b"origin", origin.encode()), (b"access-control-request-method", method.encode())]
    headers.append((b"access-control-request-headers", b"authorization,content-type,idempotency-key"))
    return await call(ingress.app, "OPTIONS", "/api/payments/intent", headers=headers)


async def test_no_foreign_page_may_ask_by_default() -> None:
    """Without allowed origins a preflight gets nothing that a browser would take for permission."""
    answer = await preflight(Ingress(), "https://shop.example")
    assert answer.status == 405
    assert b"access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("http://localhost:3000", True),
        ("https://shop.example.evil", False),
        ("http://shop.example", False),
        ("null", False),
    ],
)
async def test_pages_of_allowed_origins_may_ask(origin: str, allowed: bool) -> None:
    """A preflight of an allowed origin is granted without a token, for our headers, and no other is."""
    answer = await preflight(Ingress(variables=SHOP), origin)
    assert (answer.status == 200) == allowed
    assert (answer.headers.get(b"access-control-allow-origin") == origin.encode()) == allowed
    assert b"access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("origin", "method"), [("https://shop.example.evil", "POST"), ("https://shop.example", "PUT")])
async def test_a_refused_preflight_is_a_problem(origin: str, method: str) -> None:
    """A foreign origin and a method that nothing takes are refused in the shape of every refusal."""
    answer = await preflight(Ingress(variables=SHOP), origin, method)
    assert (answer.status, answer.json()["code"]) == (400, "preflight_refused")
    assert answer.headers[b"content-type"] == b"application/problem+json"
    assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
    assert b"Origin" in answer.headers[b"vary"]


async def test_a_page_can_read_the_headers() -> None:
    """Where to look, when to come back and how much is left can be read by an allowed page, in refusals too."""
    ingress = Ingress(variables=SHOP)
    for who in ("user-1", None):
        answer = await ingress.ask("GET", STATUS, who=who, origin="https://shop.example")
        assert answer.headers[b"access-control-allow-origin"] == b"https://shop.example"
        assert b"Retry-After" in answer.headers[b"access-control-expose-headers"]


async def test_only_proxies_that_are_trusted_are_believed() -> None:
    """X-Forwarded-For counts where it comes from a trusted proxy, and there the last address that is none of ours."""
    few = {"RATE_LIMIT_ADDRESS": "1/hour", "TRUSTED_PROXIES": "10.0.0.0/8"}
    for proxy, statuses in (("10.1.2.3", [401, 401, 429]), ("192.0.2.9", [401, 429, 429])):
        ingress = Ingress(variables=few)
        found = []
        for forwarded in ("198.51.100.1", "198.51.100.2", "203.0.113.1, 198.51.100.2, 10.9.9.9"):
            answer = await ingress.ask("GET", STATUS, who=None, address=proxy, x_forwarded_for=forwarded)
            found.append(answer.status)
        assert found == statuses


async def test_metrics_name_nobody() -> None:
    """Requests, outcomes and durations are counted by route, and no id, path or address of anybody's is a label."""
    ingress = Ingress()
    await ingress.ask("GET", STATUS)
    await ingress.ask("GET", "/api/payments/order/order-1", who=None)
    await ingress.ask("BREW", "/api/payments/coffee-of-user-1")
    await ingress.post(b"{}")
    text = (await ingress.get("/metrics")).body.decode()
    status = 'route="/api/payments/status/{id}",status="200"'
    assert f'payments_ingress_requests_total{{method="GET",{status}}} 1.0' in text
    assert 'payments_ingress_outcomes_total{outcome="token_missing",route="/api/payments/order/{order_id}"} 1.0' in text
    assert 'payments_ingress_requests_total{method="other",route="other",status="404"} 1.0' in text
    assert 'payments_ingress_outcomes_total{outcome="body_not_an_event",route="/api/payments/webhook"} 1.0' in text
    assert 'payments_ingress_request_seconds_count{route="/api/payments/webhook"} 1.0' in text
    assert "payments_ingress_broker_connected 1.0" in text
    for personal in ("user-1", PAYMENT_ID, "order-1", "192.0.2.1", "coffee"):
        assert personal not in text


async def test_the_log_holds_neither_tokens_nor_secrets() -> None:
    """A line has the path and the outcome, and no token, body, query string or client secret."""
    ingress = Ingress()
    await ingress.ask(
        "POST", "/api/payments/intent", {"order_id": "o", "amount": 5, "currency": "eur", "description": "hush"}
    )
    await ingress.ask("GET", "/api/payments/user?cursor=hush")
    await ingress.ask("GET", STATUS, who=None, authorization="Bearer hush")
    assert [line["status"] for line in ingress.lines] == [201, 200, 401]
    for secret in ("hush", "eyJ", "_secret_", "Bearer"):
        assert secret not in ingress.log_text


async def test_the_page_needs_nothing_from_elsewhere() -> None:
    """The page describes every endpoint without a script, an image, a font or a style that is not in it."""
    ingress = Ingress()
    answer = await ingress.get("/docs")
    text = answer.body.decode()
    assert answer.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert answer.headers[b"content-security-policy"] == docs_page.CONTENT_SECURITY_POLICY.encode()
    document = (await ingress.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        assert path in text
        assert all(escape(operation["summary"]) in text for operation in methods.values())
    for outside in ("<script", "<img", "<link", "@import", "url(", "src=", "='http", '="http'):
        assert outside not in text


async def test_the_documents_show_what_is_served() -> None:
    """A process without admin routes describes none, and one with webhooks alone has no documents."""
    paths = (await Ingress(variables={"ROUTES": "public"}).get("/openapi.json")).json()["paths"]
    assert "/api/payments/intent" in paths
    assert not {"/api/payments/stats", "/api/payments/webhook"} & set(paths)
    assert (await Ingress(variables={"ROUTES": "webhook"}).get("/openapi.json")).status == 404
