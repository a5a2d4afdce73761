"""One request through the API, as an ASGI application:

    fault? → authenticate → validate → idempotency key → execute → keep → record → fault? → answer

Execution is one synchronous call, so nothing interleaves with it. A key is claimed before and kept right after.
"""

import asyncio
import base64
import binascii
import re
import time
from collections import deque
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from sandbox.stripe import errors, expand, forms
from sandbox.stripe.encoding import to_json
from sandbox.stripe.errors import Json, StripeError
from sandbox.stripe.faults import REFUSED, Fault, Faults
from sandbox.stripe.idempotency import Kept, Keys
from sandbox.stripe.routes import Route, find
from sandbox.stripe.validation import check
from sandbox.stripe.wire import Wire
from sandbox.stripe.world import API_VERSION, Asking, World

MAX_BODY = 1024 * 1024  # a payment's form is a few kilobytes
MAX_RECORDED = 20_000  # requests that GET /_sim/requests can show; older ones are forgotten
HTML_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"</body>\r\n</html>\r\n"
)
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?(;.*)?$")
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, PUT, PATCH, POST, DELETE"),
    (b"access-control-expose-headers", b"Request-Id, Stripe-Manage-Version, Stripe-Should-Retry"),
    (b"access-control-max-age", b"300"),
]


@dataclass(slots=True)
class Call:
    """A request as it came in, and what is known of it so far."""

    method: str
    path: str
    headers: dict[str, str]
    request_id: str
    started: float
    encoded: str = ""
    params: Json = field(default_factory=dict)
    publishable: bool = False

    @property
    def key(self) -> str | None:
        """Keys count for POST only: "Don't send idempotency keys in GET and DELETE requests because it has no effect"."""
        return self.headers.get("idempotency-key") if self.method == "POST" else None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    should_retry: bool | None = None
    original: str | None = None  # the request id of the answer replayed


class Api:
    """`/v1/…`."""

    def __init__(self, world: World, faults: Faults, *, api_key: str | None = None) -> None:
        self.world = world
        self.faults = faults
        self.keys = Keys()
        self.requests: deque[Json] = deque(maxlen=MAX_RECORDED)
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        call = Call(scope["method"], scope["path"], headers, self.world.ids.request(), time.perf_counter())
        wire = Wire(scope, receive, send)
        if call.method == "OPTIONS":
            await wire.respond(200, [*CORS, (b"access-control-allow-headers", b"*")], b"")
            return
        body = await wire.body(MAX_BODY)
        fault = self.faults.draw(call.method, call.path)
        if body is None:
            answer = _refusal(errors.invalid_request("The request body is too large.", status=413, stored=False))
        else:
            call.encoded = (scope["query_string"] if call.method in {"GET", "DELETE"} else body).decode(
                "utf-8", "replace"
            )
            answer = await self._answer(call, fault)
        self._record(call, answer.status, fault)
        if fault is not None and fault.kind == "latency_after":
            await asyncio.sleep(fault.latency_ms / 1000)
        await _send(wire, call, answer, fault)

    async def _answer(self, call: Call, fault: Fault | None) -> Answer:
        try:
            if fault is not None and fault.kind in REFUSED:
                raise _refused(fault)
            found = find(call.method, call.path)
            self._authenticate(call, found[0] if found else None)
            _check_version(call.headers.get("stripe-version"))
            call.params = forms.decode(call.encoded)
            if found is None:
                raise errors.unknown_url(call.method, call.path)
            return await self._execute(call, *found, fault)
        except StripeError as error:
            return _refusal(error)

    async def _execute(self, call: Call, route: Route, object_id: str | None, fault: Fault | None) -> Answer:
        """Claim the key, run, keep. Latency passes while the key is claimed: that is a request in flight."""
        key = call.key
        if key:
            kept = self.keys.begin(key, call.path, call.params, self.world.clock.time())
            if kept is not None:
                return Answer(kept.status, kept.body, False if kept.status >= 400 else None, kept.request_id)
        try:
            if fault is not None and fault.kind == "latency":
                await asyncio.sleep(fault.latency_ms / 1000)
            answer, stored = self._run(call, route, object_id, fault)
            if key and stored:
                self.keys.finish(key, Kept(answer.status, answer.body, call.request_id))
        finally:
            if key:
                self.keys.abandon(key)
        return answer

    def _run(self, call: Call, route: Route, object_id: str | None, fault: Fault | None) -> tuple[Answer, bool]:
        """Execute; returns the answer and whether the key keeps it."""
        if fault is not None and fault.kind == "500":
            return _refusal(errors.server_error()), True
        self.world.asking = Asking(
            request_id=call.request_id,
            idempotency_key=call.key,
            publishable=call.publishable,
            api_version=call.headers.get("stripe-version"),
            address=f"http://{call.headers.get('host', '127.0.0.1')}",
        )
        try:
            params = check(route.spec, call.params)
            tree = expand.plan(route.returns, params.get("expand", []), listed=route.listed)
            result = route.handler(self.world, object_id, params) if route.item else route.handler(self.world, params)
        except StripeError as error:
            answer, stored = _refusal(error), error.stored
        else:
            if tree and route.listed:
                result = {**result, "data": expand.apply(self.world, result["data"], tree)}
            elif tree:
                result = expand.apply(self.world, result, tree)
            answer, stored = Answer(200, to_json(result)), True
        if fault is not None and fault.kind == "500_after":
            return _refusal(errors.server_error()), True
        return answer, stored

    def _authenticate(self, call: Call, route: Route | None) -> None:
        """A bearer or basic key, or Stripe.js's `key` parameter."""
        key = _given_key(call.headers.get("authorization", ""))
        if not key and "key=pk_" in call.encoded:
            key = str(forms.decode(call.encoded).get("key", ""))
        if not key:
            raise errors.authentication_error(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
                "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for "
                "details, or we can help at https://support.stripe.com/."
            )
        if key.startswith("pk_test_"):
            call.publishable = True
            if route is None or not route.publishable:
                raise errors.authentication_error(
                    "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list "
                    "of your API keys at https://dashboard.stripe.com/account/apikeys.",
                    code="secret_key_required",
                )
            return
        valid = key == self._api_key if self._api_key else key.startswith(("sk_test_", "rk_test_"))
        if not valid:
            raise errors.authentication_error(f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}")

    def _record(self, call: Call, status: int, fault: Fault | None) -> None:
        """`status` is what the API decided; under a fault the client may have seen something else."""
        self.requests.append(
            {
                "id": call.request_id,
                "method": call.method,
                "path": call.path,
                "params": call.params,
                "query": call.encoded,
                "idempotency_key": call.headers.get("idempotency-key"),
                "stripe_version": call.headers.get("stripe-version"),
                "status": status,
                "fault": fault.kind if fault is not None else None,
                "created": self.world.clock.seconds(),
                "ms": round((time.perf_counter() - call.started) * 1000, 3),
            }
        )


async def _send(wire: Wire, call: Call, answer: Answer, fault: Fault | None) -> None:
    kind = fault.kind if fault is not None else ""
    if kind in {"reset_before", "reset_after"}:
        await wire.reset()
    elif kind in {"html_502", "html_502_after"}:
        await wire.respond(502, [(b"content-type", b"text/html"), (b"server", b"nginx")], HTML_502)
    elif kind == "truncate":
        await wire.truncate(answer.status, _headers(call, answer), answer.body)
    else:
        await wire.respond(answer.status, _headers(call, answer), answer.body)


def _headers(call: Call, answer: Answer) -> list[tuple[bytes, bytes]]:
    """Stripe's response headers; the version and the key are echoed."""
    headers = [
        (b"content-type", b"application/json"),
        (b"request-id", call.request_id.encode()),
        (b"stripe-version", call.headers.get("stripe-version", API_VERSION).encode("latin-1")),
        *CORS,
    ]
    if call.key:
        headers.append((b"idempotency-key", call.key.encode("latin-1")))
        headers.append((b"original-request", (answer.original or call.request_id).encode()))
    if answer.original:
        headers.append((b"idempotent-replayed", b"true"))
    if answer.should_retry is not None:
        headers.append((b"stripe-should-retry", b"true" if answer.should_retry else b"false"))
    return headers


def _refusal(error: StripeError) -> Answer:
    body = to_json({"error": error.error})
    return Answer(error.status, body, error.should_retry)


def _refused(fault: Fault) -> StripeError:
    match fault.kind:
        case "429":
            return errors.rate_limited()
        case "429_lock":
            return errors.lock_timeout()
        case _:  # 503; under html_502 nobody sees it
            return errors.unavailable()


def _check_version(version: str | None) -> None:
    """Any version is served the same objects; only its form is checked."""
    if version is not None and not VERSION.match(version):
        raise errors.invalid_request(f"Invalid Stripe API version: {version}", stored=False)


def _given_key(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[0]
        except binascii.Error:
            return ""
    return ""
