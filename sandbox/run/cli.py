"""`payments-sandbox run`: everything on this machine, until Ctrl-C."""

import argparse
import os
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from contracts.client import PaymentsClient
from contracts.environment import SettingError
from contracts.events import Event
from sandbox.run import settings
from sandbox.run.interrupt import run_until_signal
from sandbox.run.services import running
from sandbox.run.settings import Settings
from sandbox.run.system import System
from sandbox.services.emails import Email
from sandbox.services.notifications import NotificationService
from sandbox.services.order import Order
from sandbox.services.orders import OrderService
from sandbox.services.web import server
from sandbox.services.web.app import Shop
from sandbox.services.web.pages import TEST_CARDS, Checkout
from sandbox.stack import StackError

FAILED = 1


def main(argv: list[str]) -> int:
    """0 stopped by a signal, 1 something would not start or ended by itself, 2 a setting is wrong."""
    made = argparse.ArgumentParser(
        prog="payments-sandbox run",
        description="Start worker, ingress, the sample services and the Stripe simulator; with STRIPE_SECRET_KEY and "
        "STRIPE_WEBHOOK_SECRET of a Stripe test account, use Stripe itself. Reads the services' own settings.",
    )
    made.add_argument("--shop-port", type=int, default=0, metavar="PORT", help="of the sample shop; 0 takes a free one")
    made.add_argument("--logs", type=Path, metavar="DIR", help="keep the processes' logs there")
    chosen = made.parse_args(argv)
    try:
        found = settings.for_run(os.environ)
    except SettingError as error:
        print(f"payments-sandbox run: {error}", file=sys.stderr)
        return 2
    code = run_until_signal(_run(chosen, found))
    if code is None:
        print("everything that was started is stopped")
        return 0
    return code


async def _run(chosen: argparse.Namespace, found: Settings) -> int:
    """Returns only when something went wrong; a signal cancels it."""
    console = Console(highlight=False, soft_wrap=True)
    system = System(found, report=lambda line: console.print(line, style="dim", markup=False), logs=chosen.logs)
    try:
        async with system, AsyncExitStack() as closing:
            shop_url = await _open_shop(system, chosen.shop_port, console, closing)
            announce(console, system, shop_url)
            child = await system.ended()
            system.keep_logs()
            console.print(f"the {child.name} has ended with code {child.returncode}: stopping", style="bold red")
            console.print(child.tail(), style="dim", markup=False)
    except (StackError, OSError) as error:
        console.print(str(error), style="red", markup=False)
    return FAILED


async def _open_shop(system: System, port: int, console: Console, closing: AsyncExitStack) -> str:
    """Start the sample services and the shop's pages; the shop's address."""
    url = system.stack.rabbitmq_url
    payments = await closing.enter_async_context(PaymentsClient(url, source="order-service"))

    def on_event(order: Order, event: Event) -> None:
        console.print(f"{order.order_id}: {event.TYPE} #{event.sequence}", markup=False)

    def on_email(event: Event, email: Email) -> None:
        console.print(f"{event.order_id}: e-mail to {email.reader}: {email.subject}", style="dim", markup=False)

    orders = OrderService(url, payments, on_event=on_event)
    shop = Shop(orders, how_to_pay(system))
    shop_url = await closing.enter_async_context(server.serve(shop.app(), port=port))
    notifications = NotificationService(url, on_email, shop_url=shop_url)
    await closing.enter_async_context(running(orders, notifications))
    return shop_url


def how_to_pay(system: System) -> Checkout:
    """The simulator takes cards as Stripe's own script sends them; Stripe takes them from that script alone."""
    if system.settings.real is None:
        return Checkout("form", system.stripe_url, system.publishable_key)
    return Checkout("stripe_js" if system.publishable_key else "none", system.stripe_url, system.publishable_key)


def announce(console: Console, system: System, shop_url: str) -> None:
    """Every address, and what to do with them."""
    console.print()
    for name, address in addresses(system, shop_url).items():
        console.print(f"{name:<20} {address}", markup=False)
    console.print()
    console.print(f"Pay an order by hand: open {shop_url}, order something, and pay with a test card:", markup=False)
    for number, what in TEST_CARDS:
        console.print(f"  {number}  {what}", markup=False)
    if system.settings.real is not None:
        console.print("\nStripe must reach the ingress. Forward its webhooks with Stripe's command line:")
        console.print(f"  stripe listen --forward-to {system.webhook_url}", markup=False)
        console.print("and give the secret that it prints as STRIPE_WEBHOOK_SECRET.")
        if not system.settings.real.publishable_key:
            console.print("For the card form, set STRIPE_PUBLISHABLE_KEY too; without it the shop shows a command.")
    console.print("\nCtrl-C stops everything.", style="bold")


def addresses(system: System, shop_url: str) -> dict[str, str]:
    """What listens where. An address that was given is shown without its password."""
    given = system.settings
    found = {
        "Sample shop": shop_url,
        "Ingress (webhooks)": system.webhook_url,
        "Worker (health)": f"{system.worker_url}/ready",
        "Stripe": system.stripe_url + (" (simulator; controls at /_sim)" if given.real is None else " (test mode)"),
        "RabbitMQ": system.stack.rabbitmq_url if given.rabbitmq_url is None else without_password(given.rabbitmq_url),
        "RabbitMQ management": system.stack.broker.management_url,
        "MongoDB": system.stack.mongo_uri if given.mongo_uri is None else without_password(given.mongo_uri),
        "Logs": str(system.logs),
    }
    if given.rabbitmq_url is not None:
        del found["RabbitMQ management"]  # somebody else's: where it listens is a guess
    return found


def without_password(url: str) -> str:
    return re.sub(r"(?<=://)([^:/@]*):[^@/]*@", r"\1:***@", url)
