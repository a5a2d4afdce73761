"""A person orders, types a test card and pays: the sample shop in a real browser, over the real service."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from playwright.async_api import Page, Request, async_playwright, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from contracts.client import PaymentsClient
from sandbox.run.cli import how_to_pay
from sandbox.run.services import running
from sandbox.run.settings import Settings
from sandbox.run.system import System
from sandbox.services.emails import Email
from sandbox.services.notifications import NotificationService
from sandbox.services.orders import OrderService
from sandbox.services.web import server
from sandbox.services.web.app import Shop

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOWN_MS = 20_000
"""From a click to the event that changes the page it takes half a second; a loaded machine may need much more."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")


def in_database(mongo_uri: str, name: str) -> str:
    return urlunsplit(urlsplit(mongo_uri)._replace(path=f"/{name}"))


@pytest.fixture
def mails() -> list[Email]:
    """What the notification service has sent."""
    return []


@pytest.fixture
async def shop_url(
    vhost_url: str, mongo_uri: str, database_name: str, tmp_path: Path, mails: list[Email]
) -> AsyncIterator[str]:
    """The address of a shop with everything behind it."""
    chosen = Settings(rabbitmq_url=vhost_url, mongo_uri=in_database(mongo_uri, database_name))
    async with (
        System(chosen, report=lambda _: None, logs=tmp_path) as system,
        PaymentsClient(vhost_url, source="order-service") as payments,
    ):
        orders = OrderService(vhost_url, payments)
        notifications = NotificationService(vhost_url, lambda _event, mail: mails.append(mail))
        async with running(orders, notifications), server.serve(Shop(orders, how_to_pay(system)).app()) as url:
            yield url


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A tab of a browser that a test has to itself."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        tab = await browser.new_page()
        tab.set_default_timeout(SHOWN_MS)
        yield tab
        await browser.close()


async def order(page: Page, shop_url: str, amount: str = "19.99", currency: str = "eur") -> None:
    """Order something and wait until the payment is ready to be paid."""
    await page.goto(shop_url)
    await page.get_by_label("Amount").fill(amount)
    await page.get_by_label("Currency").select_option(currency)
    await page.get_by_role("button", name="Order and pay").click()
    await expect(page.get_by_role("button", name="Pay ", exact=False)).to_be_enabled(timeout=SHOWN_MS)


async def pay(page: Page, card: str) -> None:
    await page.get_by_label("Card number").fill(card)
    await page.get_by_role("button", name="Pay ", exact=False).click()


async def shows(page: Page, status: str) -> bool:
    """Wait for the order's status on the page; false when it does not come."""
    try:
        await page.locator(".badge", has_text=re.compile(f"^{status}$")).wait_for()
    except PlaywrightTimeout:
        return False
    return True


async def test_an_order_is_paid_with_a_test_card(page: Page, shop_url: str) -> None:
    """A typed card number pays the order, and the page turns to paid when the event has come."""
    await order(page, shop_url)
    await pay(page, "4242 4242 4242 4242")
    assert await shows(page, "paid")
    await expect(page.get_by_text("payment.succeeded")).to_be_visible()


async def test_the_card_number_never_reaches_the_shop(page: Page, shop_url: str) -> None:
    """The browser sends the card to Stripe alone."""
    told: list[str] = []

    def note(request: Request) -> None:
        if "4242424242424242" in f"{request.url} {request.post_data}".replace("+", "").replace("%20", ""):
            told.append(urlsplit(request.url).path)

    page.on("request", note)
    await order(page, shop_url)
    await pay(page, "4242 4242 4242 4242")
    assert await shows(page, "paid")
    assert len(told) == 1
    assert told[0].startswith("/v1/payment_intents/")


async def test_a_declined_card_can_be_followed_by_another(page: Page, shop_url: str, mails: list[Email]) -> None:
    """The page says why the first card was declined and takes a second one; both outcomes are mailed."""
    await order(page, shop_url, "980", "jpy")
    await pay(page, "4000 0000 0000 9995")
    await expect(page.get_by_role("alert")).to_have_text("Your card has insufficient funds.")
    await pay(page, "5555 5555 5555 4444")
    assert await shows(page, "paid")
    assert sorted(mail.subject.partition(" for ")[0] for mail in mails) == ["We have received ¥980", "Your payment"]


async def test_three_d_secure_leads_to_the_bank_and_back(page: Page, shop_url: str) -> None:
    """A card that asks for 3-D Secure opens the bank's page; after it the shop shows the order as paid."""
    await order(page, shop_url)
    await pay(page, "4000 0000 0000 3220")
    await page.get_by_role("button", name="Complete").click()
    assert await shows(page, "paid")
    assert page.url.startswith(shop_url)


async def test_a_failed_three_d_secure_offers_another_try(page: Page, shop_url: str) -> None:
    """A customer whom the bank does not know comes back to an unpaid order, and pays with another card."""
    await order(page, shop_url)
    await pay(page, "4000 0000 0000 3220")
    await page.get_by_role("button", name="Fail").click()
    await expect(page.get_by_role("alert")).to_contain_text("failed authentication", timeout=SHOWN_MS)
    await page.get_by_role("link", name="Pay now").click()
    await expect(page.get_by_role("button", name="Pay ", exact=False)).to_be_enabled()
    await pay(page, "4242 4242 4242 4242")
    assert await shows(page, "paid")


async def test_an_order_can_be_canceled_at_the_checkout(page: Page, shop_url: str) -> None:
    """The cancel button ends the order, and there is nothing left to pay."""
    await order(page, shop_url)
    await page.get_by_role("button", name="Cancel the order").click()
    assert await shows(page, "canceled")
    await expect(page.get_by_role("link", name="Pay now")).to_have_count(0)
