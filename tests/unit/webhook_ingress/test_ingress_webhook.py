"""The endpoint over a fake store: what is answered, what is stored, what is told to the log."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topology
from contracts.transport import Published, Stored
from tests.ingress_requests import SECRET, WEBHOOK_PATH, event_body, signature_header
from tests.unit.webhook_ingress.asgi import NOW, FakeStore, Ingress, call
from webhook_ingress.body import MAX_BODY_BYTES
from webhook_ingress.webhook import CONFIRMED, MAX_IN_FLIGHT

BODY = event_body()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_sound_webhook_is_stored_as_it_came() -> None:
    """The bytes that Stripe signed are published untouched, under the event's type, and answered 200."""
    ingress = Ingress()
    answer = await ingress.post(BODY, traceparent=TRACEPARENT)
    assert (answer.status, answer.json()) == (200, {"received": True})
    assert ingress.store.published == [
        {
            "exchange": topology.STRIPE,
            "routing_key": "payment_intent.succeeded",
            "body": BODY,
            "content_type": "application/json",
            "headers": {
                topology.HEADER_STRIPE_EVENT_ID: "evt_1",
                topology.HEADER_RECEIVED_AT: "2023-11-14T22:13:20.000+00:00",
                "traceparent": TRACEPARENT,
            },
        }
    ]


@pytest.mark.parametrize(
    ("body", "header", "status", "code"),
    [
        (BODY, "", 400, "signature_missing"),
        (BODY, "t=1", 400, "signature_malformed"),
        (BODY, signature_header(BODY, "whsec_wrong", NOW), 400, "signature_wrong"),
        (BODY, signature_header(b"other", SECRET, NOW), 400, "signature_wrong"),
        (BODY, signature_header(BODY, SECRET, NOW - 301), 400, "signature_too_old"),
        (BODY, signature_header(BODY, SECRET, NOW + 301), 400, "signature_in_future"),
        (b"not json", None, 400, "body_not_json"),
        (b"\xff\xfe", None, 400, "body_not_json"),
        (b"[1, 2]", None, 400, "body_not_an_event"),
        (b'{"object": "charge", "id": "ch_1"}', None, 400, "body_not_an_event"),
        (b"", None, 400, "body_not_json"),
        (event_body(size=MAX_BODY_BYTES + 1), None, 413, "body_too_large"),
    ],
)
async def test_bad_input_is_a_problem_with_a_code(body: bytes, header: str | None, status: int, code: str) -> None:
    """Every bad input is refused with its status and a stable code, and nothing is stored."""
    ingress = Ingress()
    answer = await ingress.post(body, header)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers[b"content-type"] == b"application/problem+json"
    assert answer.json()["status"] == status
    assert ingress.store.published == []
    assert ingress.lines[-1]["outcome"] == code


async def test_the_largest_body_is_taken() -> None:
    """256 KiB is within the limit."""
    ingress = Ingress()
    largest = event_body(size=MAX_BODY_BYTES)
    assert len(largest) == MAX_BODY_BYTES
    assert (await ingress.post(largest)).status == 200


async def test_a_body_in_chunks_is_counted() -> None:
    """Without a declared length the reading stops at the limit, and the connection is closed."""
    ingress = Ingress()
    chunks = [b"x" * 65536] * 1000
    answer = await call(ingress.app, "POST", WEBHOOK_PATH, chunks=chunks)
    assert answer.status == 413
    assert answer.headers[b"connection"] == b"close"
    assert answer.chunks_read < 200


async def test_a_body_that_is_declared_too_large_is_answered_unread() -> None:
    """The declared length alone is enough for a 413."""
    ingress = Ingress()
    headers = [(b"content-length", b"999999999")]
    answer = await call(ingress.app, "POST", WEBHOOK_PATH, headers=headers, chunks=[b"x"], then_gone=True)
    assert answer.status == 413


async def test_a_sender_that_leaves_is_not_answered() -> None:
    """Half a body is neither stored nor answered."""
    ingress = Ingress()
    answer = await call(ingress.app, "POST", WEBHOOK_PATH, chunks=[BODY[:10]], then_gone=True)
    assert answer.status is None
    assert ingress.store.published == []
    assert ingress.lines[-1]["outcome"] == "sender_gone"


@pytest.mark.parametrize(
    ("stored", "code"),
    [(Stored.NO, "not_stored"), (Stored.UNROUTABLE, "not_stored"), (Stored.UNKNOWN, "not_confirmed")],
)
async def test_what_is_not_stored_is_our_fault(stored: Stored, code: str) -> None:
    """Anything but a confirm is a 503 that asks for a retry and hides the broker's words."""
    ingress = Ingress(FakeStore(Published(stored, "amqp secret words")))
    answer = await ingress.post(BODY)
    assert (answer.status, answer.json()["code"]) == (503, code)
    assert int(answer.headers[b"retry-after"]) > 0
    assert b"secret words" not in answer.body
    assert ingress.lines[-1]["reason"] == "amqp secret words"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        TRACEPARENT.replace("00-", "ff-", 1),
        TRACEPARENT.upper(),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        TRACEPARENT + "\n",
    ],
)
async def test_a_trace_begins_where_none_came(header: str) -> None:
    """Without a valid traceparent one is made, and the log names the same trace."""
    ingress = Ingress()
    await ingress.post(BODY, traceparent=header)
    made = ingress.store.published[0]["headers"]["traceparent"]
    assert made != header
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", made)
    assert ingress.lines[-1]["trace_id"] == made[3:35]


async def test_the_hook_stands_between_the_confirm_and_the_answer() -> None:
    """The hook is called once the event is stored, and not for one that is not."""
    passed: list[tuple[str, int]] = []
    store = FakeStore()
    ingress = Ingress(store, hook=lambda point: passed.append((point, len(store.published))))
    await ingress.post(BODY)
    assert passed == [(CONFIRMED, 1)]
    store.outcome = Published(Stored.NO)
    await ingress.post(BODY)
    assert passed == [(CONFIRMED, 1)]


class SlowStore(FakeStore):
    """Confirms when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_confirm = asyncio.Event()
        self.full = asyncio.Event()
        self.waiting = 0

    async def publish(self, *arguments: object, **more: object) -> Published:
        del arguments, more
        self.waiting += 1
        if self.waiting == MAX_IN_FLIGHT:
            self.full.set()
        await self.may_confirm.wait()
        return self.outcome


async def test_the_webhooks_in_flight_are_bounded() -> None:
    """One more than the house holds is answered 503 at once, and there is room again when the others are done."""
    store = SlowStore()
    ingress = Ingress(store)
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(ingress.post(BODY)) for _ in range(MAX_IN_FLIGHT)]
        await store.full.wait()
        one_more = await ingress.post(BODY)
        store.may_confirm.set()
    assert (one_more.status, one_more.json()["code"]) == (503, "overloaded")
    assert {task.result().status for task in held} == {200}
    assert (await ingress.post(BODY)).status == 200


async def test_no_secret_reaches_an_answer_or_the_log() -> None:
    """Neither the body, nor the signature, nor the query is repeated anywhere."""
    ingress = Ingress()
    body = event_body("evt_2", size=2000)
    header = signature_header(body, timestamp=NOW)
    chunks = [body]
    headers = [(b"stripe-signature", header.encode())]
    answers = [
        await call(ingress.app, "POST", WEBHOOK_PATH + "?token=hush", headers=headers, chunks=chunks),
        await call(ingress.app, "POST", WEBHOOK_PATH, headers=headers, chunks=[b"{" + body]),
        await call(ingress.app, "POST", "/elsewhere?token=hush", headers=headers, chunks=chunks),
    ]
    assert [answer.status for answer in answers] == [200, 400, 404]
    told = ingress.log_text + "".join(answer.body.decode() for answer in answers)
    for secret in (SECRET, header.partition("v1=")[2], "hush", "xxxx"):
        assert secret not in told


HEADERS = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"t=", b"v1=", b",", b"1700000000", b"0" * 64, b"\xff", b" ", signature_header(BODY).encode()])
).map(b"".join)


@given(HEADERS)
def test_no_signature_header_breaks_the_endpoint(header: bytes) -> None:
    """Whatever the signature header holds, the answer is 200 or 400."""
    assert asyncio.run(Ingress().post(BODY, header)).status in {200, 400}


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_signed_body_breaks_the_endpoint(body: bytes) -> None:
    """Whatever is rightly signed, the answer is 200 or 400."""
    assert asyncio.run(Ingress().post(body)).status in {200, 400}


def test_an_empty_secret_is_a_bug() -> None:
    """An endpoint cannot be made with a secret that everybody knows."""
    with pytest.raises(AssertionError, match="empty secret"):
        Ingress(secrets=(SECRET, ""))
