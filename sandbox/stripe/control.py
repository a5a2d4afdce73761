"""`/_sim/…`: the simulator's own controls. docs/simulator.md describes each with an example."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.stripe import attempts, dashboard, event_controls, issuer, ledger, radar_controls
from sandbox.stripe.api import Api
from sandbox.stripe.control_requests import Endpoint, explained, only, read
from sandbox.stripe.encoding import Answer
from sandbox.stripe.errors import Json
from sandbox.stripe.faults import Rate, Shot, read_fault
from sandbox.stripe.intents import Status
from sandbox.stripe.terms import Terms
from sandbox.stripe.webhooks import Behaviour, Webhooks, describe

INDEX = {
    "GET /_sim/health": "alive",
    "GET|POST /_sim/clock": 'read the clock; advance it: {"advance_s": 86400}',
    "GET|POST|DELETE /_sim/faults": "queue one-shot faults, set seeded rates, clear",
    "GET|POST|DELETE /_sim/webhooks": "how deliveries behave; DELETE makes them normal and releases what is held",
    "POST /_sim/webhooks/release": 'let go what is held: {"order": "oldest|newest|random"}',
    "POST /_sim/webhooks/redeliver/{event_id}": "send an event again",
    "GET|POST /_sim/webhooks/secrets/{endpoint_id}": "the endpoint's signing secrets; replace them to rotate",
    "GET /_sim/deliveries": "counts and the newest deliveries",
    "POST /_sim/quiesce": 'wait until no delivery is pending: {"timeout_s": 30, "timers": false}',
    "GET /_sim/ledger": "what was really charged (?payment_intent=, ?order_id=, ?entries=false)",
    "GET|DELETE /_sim/requests": "recorded requests (?path=, ?method=, ?limit=)",
    "POST /_sim/payment_intents/{id}/authenticate": 'end a 3-D Secure: {"outcome": "succeed|fail"}',
    "POST /_sim/payment_intents/{id}/settle": "the bank's answer to a debit: {\"outcome\": \"succeed|fail\"}, or as published",
    "GET|POST /_sim/3ds/{id}": "the page that a customer sees",
    "GET|POST|DELETE /_sim/account": "settlement currency, exchange rates, fees, features",
    **dashboard.INDEX,
    **issuer.INDEX,
    **radar_controls.INDEX,
    **event_controls.INDEX,
}  # fmt: skip

DEFAULT_LIMIT = 1000
QUIESCE_TIMEOUT_S = 30.0
MAX_RATE_DIGITS = 12  # more than any published rate has, and few enough to be exact as a JSON number


class Control:
    """The handlers, over the parts that they control."""

    def __init__(self, api: Api, webhooks: Webhooks) -> None:
        self._api = api
        self._world = api.world
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        table: list[tuple[str, Endpoint, list[str]]] = [
            ("/_sim", self.index, ["GET"]),
            ("/_sim/health", self.health, ["GET"]),
            ("/_sim/clock", self.clock, ["GET", "POST"]),
            ("/_sim/faults", self.faults, ["GET", "POST", "DELETE"]),
            ("/_sim/webhooks", self.webhooks, ["GET", "POST", "DELETE"]),
            ("/_sim/webhooks/release", self.release, ["POST"]),
            ("/_sim/webhooks/redeliver/{event_id}", self.redeliver, ["POST"]),
            ("/_sim/webhooks/secrets/{endpoint_id}", self.secrets, ["GET", "POST"]),
            ("/_sim/deliveries", self.deliveries, ["GET"]),
            ("/_sim/quiesce", self.quiesce, ["POST"]),
            ("/_sim/account", self.account, ["GET", "POST", "DELETE"]),
            ("/_sim/ledger", self.ledger, ["GET"]),
            ("/_sim/requests", self.requests, ["GET", "DELETE"]),
            ("/_sim/payment_intents/{intent_id}/authenticate", self.authenticate, ["POST"]),
            ("/_sim/payment_intents/{intent_id}/settle", self.settle, ["POST"]),
        ]
        own = [Route(path, explained(endpoint), methods=methods) for path, endpoint, methods in table]
        parts = (dashboard, issuer, radar_controls, event_controls)
        return [*own, *(route for part in parts for route in part.routes(self._world))]

    async def index(self, _request: Request) -> Response:
        return Answer(INDEX)

    async def health(self, _request: Request) -> Response:
        return Answer({"status": "ok", "payment_intents": len(self._world.payment_intents)})

    async def clock(self, request: Request) -> Response:
        clock = self._world.clock
        if request.method == "POST":
            clock.advance(float((await read(request))["advance_s"]))
        return Answer({"now": clock.seconds(), "offset_s": clock.offset_s, "timers": clock.pending})

    async def faults(self, request: Request) -> Response:
        faults = self._api.faults
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            body = await read(request)
            shots = body.get("queue") or ([body] if "kind" in body else [])
            for shot in [_shot(item) for item in shots]:
                faults.queue(shot)
            if "rates" in body:
                rates = [_rate(kind, value) for kind, value in body["rates"].items()]
                method, paths = body.get("method", "*"), body.get("paths", "/v1/*")
                faults.set_rates(rates, seed=body.get("seed"), method=method, paths=paths)
        return Answer(faults.state())

    async def webhooks(self, request: Request) -> Response:
        hooks = self._webhooks
        if request.method == "DELETE":
            hooks.behaviour = Behaviour()
            hooks.release()
        elif request.method == "POST":
            body = await read(request)
            if "seed" in body:
                hooks.reseed(body.pop("seed"))
            hooks.behaviour = _behaviour(hooks.behaviour, body)
            if not hooks.behaviour.hold:
                hooks.release()
        return Answer({**asdict(hooks.behaviour), **hooks.state()})

    async def release(self, request: Request) -> Response:
        order = (await read(request)).get("order", "oldest")
        if order not in {"oldest", "newest", "random"}:
            raise ValueError("order: oldest, newest or random")
        return Answer({"released": self._webhooks.release(order)})

    async def redeliver(self, request: Request) -> Response:
        event = self._world.events.get(request.path_params["event_id"])
        if event is None:
            return Answer({"error": "no such event"}, 404)
        return Answer({"endpoints": self._webhooks.redeliver(event)})

    async def secrets(self, request: Request) -> Response:
        endpoint_id = request.path_params["endpoint_id"]
        if endpoint_id not in self._world.secrets:
            return Answer({"error": "no such webhook endpoint"}, 404)
        if request.method == "POST":
            secrets = [str(secret) for secret in (await read(request))["secrets"]]
            if not secrets:
                raise ValueError("secrets: at least one")
            self._world.secrets[endpoint_id] = secrets
        return Answer({"secrets": self._world.secrets[endpoint_id]})

    async def deliveries(self, request: Request) -> Response:
        limit = int(request.query_params.get("limit", DEFAULT_LIMIT))
        kind, event = request.query_params.get("type", "*"), request.query_params.get("event")
        rows = [
            describe(delivery)
            for delivery in reversed(self._webhooks.log)
            if fnmatchcase(delivery.kind, kind) and event in {None, delivery.event_id}
        ]
        return Answer({**self._webhooks.state(), "deliveries": rows[:limit]})

    async def quiesce(self, request: Request) -> Response:
        body = await read(request)
        timers = bool(body.get("timers", False))
        quiet = await self._quiet(float(body.get("timeout_s", QUIESCE_TIMEOUT_S)), timers=timers)
        state = {"quiet": quiet, "timers": self._world.clock.pending, **self._webhooks.state()}
        return Answer(state, 200 if quiet else 504)

    async def account(self, request: Request) -> Response:
        """The terms; POST changes those named, DELETE brings back those of a fresh account."""
        world = self._world
        if request.method == "DELETE":
            world.terms = Terms()
        elif request.method == "POST":
            world.terms = _terms(world.terms, await read(request))
        rates = {money: str(rate) for money, rate in world.terms.exchange_rates.items()}
        return Answer({**asdict(world.terms), "exchange_rates": rates})

    async def ledger(self, request: Request) -> Response:
        query = request.query_params
        return Answer(
            ledger.report(
                self._world,
                intent=query.get("payment_intent"),
                order_id=query.get("order_id"),
                entries=query.get("entries") != "false",
            )
        )

    async def requests(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._api.requests.clear()
        query = request.query_params
        path, method = query.get("path", "*"), query.get("method", "*")
        limit = int(query.get("limit", DEFAULT_LIMIT))
        rows = [
            row for row in self._api.requests if fnmatchcase(row["path"], path) and fnmatchcase(row["method"], method)
        ]
        return Answer({"count": len(rows), "requests": rows[-limit:]})

    async def authenticate(self, request: Request) -> Response:
        outcome = _outcome((await read(request)).get("outcome", "succeed"))
        return self._move(
            request, Status.REQUIRES_ACTION, lambda row: attempts.authenticate(self._world, row, passed=outcome)
        )

    async def settle(self, request: Request) -> Response:
        asked = (await read(request)).get("outcome")
        paid = None if asked is None else _outcome(asked)
        return self._move(request, Status.PROCESSING, lambda row: attempts.settle(self._world, row, paid=paid))

    def _move(self, request: Request, needs: Status, act: Callable[[Json], Json]) -> Response:
        intent = self._world.payment_intents.get(request.path_params["intent_id"])
        if intent is None:
            return Answer({"error": "no such PaymentIntent"}, 404)
        if intent["status"] != needs:
            return Answer({"error": f"the PaymentIntent is {intent['status']}, not {needs}"}, 409)
        self._world.nobody_asks()
        return Answer(act(intent))

    async def _quiet(self, timeout_s: float, *, timers: bool) -> bool:
        return await self._webhooks.quiet_within(timeout_s, self._world.clock if timers else None)


def _outcome(text: Any) -> bool:
    if text not in {"succeed", "fail"}:
        raise ValueError("outcome: succeed or fail")
    return bool(text == "succeed")


def _shot(item: Json) -> Shot:
    unknown = set(item) - {"kind", "ms", "method", "path", "times", "skip", "rates", "seed", "paths"}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    fault = read_fault(item["kind"], item.get("ms"))
    return Shot(
        fault, item.get("method", "*"), item.get("path", "*"), int(item.get("times", 1)), int(item.get("skip", 0))
    )


def _rate(kind: str, value: Any) -> Rate:
    rate, latency = (value["rate"], value.get("ms")) if isinstance(value, dict) else (value, None)
    if not 0 <= float(rate) <= 1:
        raise ValueError(f"rates[{kind}]: {rate} is not between 0 and 1")
    return Rate(read_fault(kind, latency), float(rate))


def _behaviour(old: Behaviour, changes: Json) -> Behaviour:
    """The behaviour with these fields changed; lists become tuples."""
    known = {item.name for item in fields(Behaviour)}
    if unknown := set(changes) - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}, seed")
    if changes.get("signing", "normal") not in {"normal", "wrong", "none"}:
        raise ValueError("signing: normal, wrong or none")
    values: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    return replace(old, **values)


def _terms(old: Terms, changes: Json) -> Terms:
    only(changes, *(item.name for item in fields(Terms)))
    values = dict(changes)
    if "exchange_rates" in values:
        values["exchange_rates"] = {money: _exchange_rate(text) for money, text in values["exchange_rates"].items()}
    for name in ("fee_basis_points", "fee_fixed", "dispute_fee", "settlement_delay_s"):
        if name in values and (not isinstance(values[name], int) or values[name] < 0):
            raise ValueError(f"{name}: a whole number")
    return replace(old, **values)


def _exchange_rate(text: Any) -> Decimal:
    """Given as text, so that it is exact."""
    rate = Decimal(str(text))
    if not rate.is_finite() or rate <= 0 or len(rate.as_tuple().digits) > MAX_RATE_DIGITS:
        raise ValueError(f"exchange_rates: {text} is no positive number of at most {MAX_RATE_DIGITS} digits")
    return rate
