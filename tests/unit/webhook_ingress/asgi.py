"""An ASGI server of thirty lines and the fakes around the app: no sockets, no broker."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from limits.aio.storage import Storage
from starlette.types import ASGIApp, Message

from contracts.transport import Published, Stored
from tests.ingress_requests import SECRET, TOKEN_SETTINGS, WEBHOOK_PATH, signature_header, token
from tests.unit.webhook_ingress.workers import OWNER, FakeWorkers
from webhook_ingress import logs, settings
from webhook_ingress.api.gate import Gate
from webhook_ingress.api.routes import served
from webhook_ingress.app import Documents, Probes, Served, build
from webhook_ingress.auth import authenticator
from webhook_ingress.metrics import Metrics
from webhook_ingress.rate_limit import RateLimiter
from webhook_ingress.settings import Settings
from webhook_ingress.webhook import Hook, Webhook, no_hook

NOW = 1_700_000_000.0
STORED = Published(Stored.YES)
SETTINGS = {"RABBITMQ_URL": "amqp://broker/", "STRIPE_WEBHOOK_SECRET": SECRET, **TOKEN_SETTINGS}


@dataclass
class Answer:
    status: int | None = None
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    chunks_read: int = 0

    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    chunks: Iterable[bytes] = (b"",),
    then_gone: bool = False,
    address: str = "192.0.2.1",
) -> Answer:
    """Send one request; `chunks` is its body as it arrives, `then_gone` leaves before the last of it."""
    answer = Answer()
    waiting = list(chunks)

    async def receive() -> Message:
        if not waiting:
            return {"type": "http.disconnect"}
        answer.chunks_read += 1
        chunk = waiting.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting) or then_gone}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = dict(message["headers"])
        else:
            answer.body += message.get("body", b"")

    place, _, query = path.partition("?")
    place = unquote(place)
    scope = {
        "type": "http",
        "method": method,
        "path": place,
        "raw_path": place.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "headers": list(headers),
        "client": (address, 50000),
        "state": {},
    }
    await app(scope, receive, send)
    return answer


@dataclass
class FakeStore:
    """Keeps what is published and answers with `outcome`."""

    outcome: Published = STORED
    published: list[dict[str, Any]] = field(default_factory=list)

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, content_type: str, headers: Mapping[str, Any]
    ) -> Published:
        self.published.append(
            {
                "exchange": exchange,
                "routing_key": routing_key,
                "body": body,
                "content_type": content_type,
                "headers": dict(headers),
            }
        )
        return self.outcome


@dataclass
class FakeLink:
    """A broker as readiness sees it."""

    connected: bool = True
    answers: bool = True
    opened: bool = True

    async def confirms(self) -> bool:
        return self.answers


@dataclass
class Ingress:
    """The whole app over fakes. `lines` are its log lines so far."""

    store: FakeStore = field(default_factory=FakeStore)
    link: FakeLink = field(default_factory=FakeLink)
    secrets: tuple[str, ...] = (SECRET,)
    hook: Hook = no_hook
    clock: Callable[[], float] = lambda: NOW
    draining: bool = False
    workers: FakeWorkers = field(default_factory=FakeWorkers)
    variables: Mapping[str, str] = field(default_factory=dict)
    storage: Storage | None = None

    def __post_init__(self) -> None:
        self._output = io.StringIO()
        self._writer = logs.LineWriter(self._output)
        log = logs.make_logger(self._writer, "DEBUG", service="ingress")
        chosen = settings.read({**SETTINGS, **self.variables})
        self.limiter = RateLimiter(chosen.rates, self.storage, log)
        webhook = None
        if chosen.webhook_secrets:
            webhook = Webhook(
                self.store, self.secrets, count_bad=self.limiter.bad_signature, hook=self.hook, clock=self.clock
            )
        probes = Probes(self.link, version="1.2.3", draining=lambda: self.draining, opened=lambda: self.link.opened)
        self.app = build(
            webhook=webhook,
            api=self._served(chosen),
            probes=probes,
            metrics=Metrics(lambda: self.link.connected),
            log=log,
            trusted_proxies=chosen.trusted_proxies,
        )

    def _served(self, chosen: Settings) -> Served | None:
        if chosen.api is None:
            return None
        endpoints = served(chosen.routes)
        gate = Gate(self.workers, authenticator(chosen.api), self.limiter, answer_timeout_s=chosen.api.answer_timeout_s)
        return Served(
            gate,
            endpoints,
            Documents(endpoints, "1.2.3", webhook=bool(chosen.webhook_secrets)),
            chosen.api.allowed_origins,
        )

    @property
    def log_text(self) -> str:
        self._writer.flush()
        return self._output.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text.splitlines()]

    async def get(self, path: str, method: str = "GET") -> Answer:
        return await call(self.app, method, path)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = OWNER,
        address: str = "192.0.2.1",
        **more: str,
    ) -> Answer:
        """Call the API as a user; an administrator's name begins with admin, nobody's token is sent for None."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if raw else {}
        if who is not None:
            headers["authorization"] = f"Bearer {token(who, *(['admin'] if who.startswith('admin') else []))}"
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return await call(self.app, method, path, headers=pairs, chunks=[raw], address=address)

    async def post(self, body: bytes, header: bytes | str | None = None, **more: str) -> Answer:
        """Post a webhook, rightly signed unless a header is given; an empty header is left out."""
        sent = signature_header(body, timestamp=NOW) if header is None else header
        raw = sent.encode() if isinstance(sent, str) else sent
        headers = [(name.encode(), value.encode()) for name, value in more.items()]
        headers += [(b"stripe-signature", raw)] if raw else []
        headers += [(b"content-length", str(len(body)).encode())]
        return await call(self.app, "POST", WEBHOOK_PATH, headers=headers, chunks=[body])
