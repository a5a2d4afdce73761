"""The ingress: settings → broker → app → server → drain."""

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import uvloop
from limits.aio.storage import Storage
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from contracts.environment import SettingError
from webhook_ingress import app, logs, rate_limit, server, settings
from webhook_ingress.api.gate import Gate
from webhook_ingress.api.routes import served
from webhook_ingress.auth import authenticator
from webhook_ingress.broker import NO_BROKER_LIMIT_S, Broker, BrokerGone
from webhook_ingress.line import Line
from webhook_ingress.metrics import Metrics
from webhook_ingress.rate_limit import RateLimiter
from webhook_ingress.settings import Settings
from webhook_ingress.webhook import Hook, Webhook, no_hook

SOURCE = "payments-ingress"
"""The CloudEvents `source` of commands and queries."""

YOUNG_OBJECTS = 10_000
"""Python's default of 700 starts a collection every few requests, although hardly any of their objects are in cycles."""


def main(
    arguments: Sequence[str] | None = None,
    variables: Mapping[str, str] = os.environ,
    *,
    hook: Hook = no_hook,
    no_broker_limit_s: float = NO_BROKER_LIMIT_S,
) -> int:
    """Run until a signal; return the exit code."""
    argparse.ArgumentParser(
        prog="payments-ingress",
        description="Stores Stripe's webhooks in the broker, and answers payments' HTTP API by it.",
        epilog=settings.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    try:
        chosen = settings.read(variables)
        storage = rate_limit.open_storage(chosen.rates.storage)
    except SettingError as error:
        print(f"payments-ingress: {error}", file=sys.stderr)
        return 2
    _spare_the_collector()
    lines = logs.LineWriter(sys.stdout)
    log = logs.make_logger(lines, chosen.log_level, service="ingress", deployment=chosen.deployment)
    logs.take_over_logging(log)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(chosen, storage, log, hook=hook, no_broker_limit_s=no_broker_limit_s))
    finally:
        lines.flush()


def _spare_the_collector() -> None:
    """Leave what was imported out of every garbage collection, and collect less often: a tenth of a webhook's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def run(
    chosen: Settings,
    storage: Storage | None,
    log: FilteringBoundLogger,
    *,
    hook: Hook,
    no_broker_limit_s: float,
) -> int:
    """Listen at once, broker or not; return 0 after a signal and 1 when the broker stayed away."""
    try:
        listening = server.bind(chosen.host, chosen.port)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        log.critical("cannot_listen", host=chosen.host, port=chosen.port, reason=reason)
        return 1
    name = f"payments ingress {chosen.deployment}"
    broker = Broker(chosen.rabbitmq_url, name=name, log=log, no_broker_limit_s=no_broker_limit_s)
    line = Line(chosen.rabbitmq_url, source=SOURCE, connected=lambda: broker.connected, log=log)
    assembled = _assemble(chosen, storage, broker, line, log, hook=hook, draining=lambda: serving.should_exit)
    answer_s = chosen.api.answer_timeout_s if chosen.api else 0
    serving = server.Server(assembled, log, answer_s=answer_s)
    keeping = asyncio.create_task(broker.keep())
    keeping.add_done_callback(lambda _: serving.stop())
    opening = asyncio.create_task(line.keep()) if chosen.api else None
    if opening is not None:
        opening.add_done_callback(lambda task: None if task.cancelled() or not task.exception() else serving.stop())
    await serving.serve(sockets=[listening])
    if opening is not None:
        await _end(opening)
    gone = await _end(keeping)
    await asyncio.gather(line.close(), broker.close())
    if gone is not None:
        log.critical("giving_up", reason=gone)
        return 1
    log.info("stopped")
    return 0


def _assemble(
    chosen: Settings,
    storage: Storage | None,
    broker: Broker,
    line: Line,
    log: FilteringBoundLogger,
    *,
    hook: Hook,
    draining: Callable[[], bool],
) -> ASGIApp:
    """Make the app that these settings ask for."""
    own_version = version("payments")
    limiter = RateLimiter(chosen.rates, storage, log)
    webhook = api = None
    if chosen.webhook_secrets:
        webhook = Webhook(broker, chosen.webhook_secrets, count_bad=limiter.bad_signature, hook=hook)
    if chosen.api is not None:
        endpoints = served(chosen.routes)
        api = app.Served(
            gate=Gate(line, authenticator(chosen.api), limiter, answer_timeout_s=chosen.api.answer_timeout_s),
            endpoints=endpoints,
            documents=app.Documents(endpoints, own_version, webhook=webhook is not None),
            allowed_origins=chosen.api.allowed_origins,
        )
    opened = (lambda: line.opened) if chosen.api else (lambda: True)
    return app.build(
        webhook=webhook,
        api=api,
        probes=app.Probes(broker, version=own_version, draining=draining, opened=opened),
        metrics=Metrics(lambda: broker.connected),
        log=log,
        trusted_proxies=chosen.trusted_proxies,
    )


async def _end(keeping: asyncio.Task[None]) -> str | None:
    """Stop what keeps a connection; the text says why it had ended by itself, if it had. Raises what nobody expected."""
    keeping.cancel()
    await asyncio.wait((keeping,))  # and not `await keeping`: our own cancellation must not pass for its
    error = None if keeping.cancelled() else keeping.exception()
    if error is None or isinstance(error, BrokerGone):
        return str(error) if error else None
    raise error


if __name__ == "__main__":
    sys.exit(main())
