"""`payments-sandbox stripe`: the simulator as a program of its own."""

import argparse
import contextlib
import signal
import sys

import uvicorn

from sandbox.stripe.app import create_app
from sandbox.stripe.server import configure, listen
from sandbox.stripe.world import API_VERSION, Settings

DEFAULT_PORT = 12111  # stripe-mock's, so that a client set up for it finds us
EPILOG = """\
Point a Stripe client at the printed address:

  stripe.StripeClient("sk_test_123", base_addresses={"api": "http://127.0.0.1:12111"})
  stripe trigger payment_intent.succeeded --api-key sk_test_123 --api-base http://127.0.0.1:12111
  curl -u sk_test_123: http://127.0.0.1:12111/v1/payment_intents -d amount=2000 -d currency=usd

The controls (faults, clock, webhook behaviour, ledger) are listed at /_sim.
"""


def parser() -> argparse.ArgumentParser:
    defaults = Settings()
    made = argparse.ArgumentParser(
        prog="payments-sandbox stripe",
        description=f"A stateful Stripe simulator (API version {API_VERSION}). All in memory; it forgets when it ends.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    made.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on; 0 takes a free one (%(default)s)"
    )
    made.add_argument("--webhook-url", action="append", default=[], metavar="URL", help="send events there; repeatable")
    made.add_argument("--webhook-secret", default="whsec_sandbox", metavar="SECRET", help="signs them (%(default)s)")
    made.add_argument("--api-key", metavar="KEY", help="accept only this secret key (any sk_test_… or rk_test_…)")
    made.add_argument("--seed", type=int, help="makes ids and webhook behaviour repeatable")
    made.add_argument(
        "--processing-delay-ms",
        type=int,
        default=int(defaults.processing_delay_s * 1000),
        metavar="MS",
        help="how long a bank debit stays processing (%(default)s)",
    )
    made.add_argument(
        "--refund-delay-ms",
        type=int,
        default=int(defaults.refund_delay_s * 1000),
        metavar="MS",
        help="when a pending refund succeeds and a failing one fails (%(default)s)",
    )
    made.add_argument(
        "--balance-delay-ms",
        type=int,
        default=int(defaults.balance_delay_s * 1000),
        metavar="MS",
        help="when charge.updated brings the balance transaction under automatic_async (%(default)s)",
    )
    made.add_argument(
        "--dispute-delay-ms",
        type=int,
        default=int(defaults.dispute_delay_s * 1000),
        metavar="MS",
        help="when a dispute card disputes (%(default)s)",
    )
    made.add_argument(
        "--evidence-delay-ms",
        type=int,
        default=int(defaults.evidence_delay_s * 1000),
        metavar="MS",
        help="when a bank decides on test evidence (%(default)s)",
    )
    return made


def main(argv: list[str]) -> int:
    """Serve until SIGINT or SIGTERM. Prints one line with the address when it listens."""
    arguments = parser().parse_args(argv)
    simulator = create_app(
        seed=arguments.seed,
        webhook_urls=tuple(arguments.webhook_url),
        webhook_secret=arguments.webhook_secret,
        api_key=arguments.api_key,
        settings=Settings(
            processing_delay_s=arguments.processing_delay_ms / 1000,
            refund_delay_s=arguments.refund_delay_ms / 1000,
            balance_delay_s=arguments.balance_delay_ms / 1000,
            dispute_delay_s=arguments.dispute_delay_ms / 1000,
            evidence_delay_s=arguments.evidence_delay_ms / 1000,
        ),
    )
    try:
        sock = listen(arguments.host, arguments.port)
    except OSError as error:
        print(f"payments-sandbox stripe: cannot listen on {arguments.host}:{arguments.port}: {error}", file=sys.stderr)
        return 1
    address = f"http://{arguments.host}:{sock.getsockname()[1]}"
    print(f"Stripe simulator on {address} (controls at {address}/_sim)", flush=True)
    # uvicorn stops gracefully on both signals and then raises them again; here that is the normal end.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(configure(simulator)).run([sock])
    return 0
