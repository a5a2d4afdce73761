"""The ingress: settings → broker → app → server → drain."""

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import uvloop
from structlog.typing import FilteringBoundLogger

from contracts.environment import SettingError
from webhook_ingress import app, logs, server, settings
from webhook_ingress.broker import NO_BROKER_LIMIT_S, Broker, BrokerGone
from webhook_ingress.settings import Settings
from webhook_ingress.webhook import Hook, Webhook, no_hook

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
        description="Verifies Stripe's webhooks and stores them in the broker.",
        epilog=settings.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    try:
        chosen = settings.read(variables)
    except SettingError as error:
        print(f"payments-ingress: {error}", file=sys.stderr)
        return 2
    _spare_the_collector()
    lines = logs.LineWriter(sys.stdout)
    log = logs.make_logger(lines, chosen.log_level, service="ingress", deployment=chosen.deployment)
    logs.take_over_logging(log)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(chosen, log, hook=hook, no_broker_limit_s=no_broker_limit_s))
    finally:
        lines.flush()


def _spare_the_collector() -> None:
    """Leave what was imported out of every garbage collection, and collect less often: a tenth of a webhook's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def run(chosen: Settings, log: FilteringBoundLogger, *, hook: Hook, no_broker_limit_s: float) -> int:
    """Listen at once, broker or not; return 0 after a signal and 1 when the broker stayed away."""
    try:
        listening = server.bind(chosen.host, chosen.port)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        log.critical("cannot_listen", host=chosen.host, port=chosen.port, reason=reason)
        return 1
    broker = Broker(
        chosen.rabbitmq_url,
        name=f"payments ingress {chosen.deployment}",
        log=log,
        no_broker_limit_s=no_broker_limit_s,
    )
    webhook = Webhook(broker, chosen.webhook_secrets, hook=hook)
    probes = app.Probes(broker, version=version("payments"), draining=lambda: serving.should_exit)
    serving = server.Server(app.build(webhook=webhook, probes=probes, log=log), log)
    keeping = asyncio.create_task(broker.keep())
    keeping.add_done_callback(lambda _: serving.stop())
    await serving.serve(sockets=[listening])
    gone = await _end(keeping)
    await broker.close()
    if gone is not None:
        log.critical("giving_up", reason=gone)
        return 1
    log.info("stopped")
    return 0


async def _end(keeping: asyncio.Task[None]) -> str | None:
    """Stop watching the broker; the text says why it had ended by itself, if it had."""
    keeping.cancel()
    await asyncio.wait((keeping,))  # and not `await keeping`: our own cancellation must not pass for its
    error = None if keeping.cancelled() else keeping.exception()
    if error is None or isinstance(error, BrokerGone):
        return str(error) if error else None
    raise error


if __name__ == "__main__":
    sys.exit(main())
