"""The published test cards, tokens and payment methods: what each does to a payment."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.stripe.cards import (
    ACCOUNTS,
    ALIASES,
    BY_NAME,
    BY_NUMBER,
    CARDS,
    Card,
    Challenge,
    by_payment_method,
    is_luhn,
)
from tests.unit.sandbox_stripe.raw import Answer, Raw

INTENTS = "/v1/payment_intents"
BASE = "amount=2000&currency=usd&payment_method_types[]=card&confirm=true"
RAW_CARD = "payment_method_data[type]=card&payment_method_data[card]"
EXPIRY = f"{RAW_CARD}[exp_month]=12&{RAW_CARD}[exp_year]=2034&{RAW_CARD}[cvc]=123"


async def pay(raw: Raw, card: str, more: str = "") -> Answer:
    return await raw.post(INTENTS, f"{BASE}&payment_method={card}{more}")


def test_the_table_names_each_card_once() -> None:
    """Numbers and names are unique, aliases lead somewhere, and all numbers but the wrong one have a right check digit."""
    assert len(BY_NUMBER) == len(BY_NAME) == len(CARDS) + len(ACCOUNTS)
    assert ALIASES.keys().isdisjoint(BY_NAME)
    assert set(ALIASES.values()) <= BY_NAME.keys()
    wrong = [card.number for card in CARDS if not is_luhn(card.number)]
    assert wrong == ["4242424242424241"]


@given(st.from_regex(r"[0-9]{12,18}", fullmatch=True), st.integers(1, 9))
def test_one_wrong_digit_never_passes_the_check(number: str, shift: int) -> None:
    """Changing the last digit of a right number makes it wrong."""
    digit = next(digit for digit in "0123456789" if is_luhn(number + digit))
    assert not is_luhn(number + str((int(digit) + shift) % 10))


@pytest.mark.parametrize("card", [card for card in CARDS if card.attaches], ids=lambda card: card.name)
async def test_every_test_payment_method_does_as_published(raw: Raw, card: Card) -> None:
    """Each pm_card_… succeeds, is declined with its code, or asks for 3-D Secure."""
    assert by_payment_method(f"pm_card_{card.name}") is card
    answer = await pay(raw, f"pm_card_{card.name}")
    if card.challenge is not Challenge.NEVER:
        assert answer.body["status"] == "requires_action"
    elif card.decline is None:
        assert (answer.body["status"], answer.body["amount_received"]) == ("succeeded", 2000)
    else:
        error = answer.body["error"]
        assert (answer.status, error["type"], error["code"]) == (402, "card_error", card.decline.code)
        assert error["decline_code"] == card.decline.decline_code
        intent = error["payment_intent"]
        assert intent["status"] == "requires_payment_method"
        assert intent["latest_charge"] == error["charge"]
        assert intent["last_payment_error"]["message"] == card.decline.message
        charge = (await raw.get(f"/v1/charges/{error['charge']}")).body
        assert (charge["status"], charge["failure_code"], charge["paid"]) == ("failed", card.decline.code, False)


@pytest.mark.parametrize("number", ["4242424242424242", "5555555555554444", "378282246310005", "4000 0566 5566 5556"])
async def test_raw_numbers_pay(raw: Raw, number: str) -> None:
    """A published number given as payment_method_data pays, and only its last four digits are shown."""
    form = f"{BASE}&{RAW_CARD}[number]={number}&{EXPIRY}"
    intent = (await raw.post(INTENTS, form)).body
    assert intent["status"] == "succeeded"
    method = (await raw.get(f"/v1/payment_methods/{intent['payment_method']}")).body
    assert (method["card"]["last4"], method["card"]["exp_year"]) == (number[-4:], 2034)
    assert "number" not in method["card"]


@pytest.mark.parametrize(
    ("number", "code", "decline"),
    [
        ("4242424242424241", "incorrect_number", None),
        ("1234", "incorrect_number", None),
        ("4111111111111111", "card_declined", "test_mode_live_card"),
    ],
)
async def test_wrong_numbers_are_card_errors(raw: Raw, number: str, code: str, decline: str | None) -> None:
    """A number with a wrong check digit, or one that is on no list, is refused before any charge."""
    answer = await raw.post(INTENTS, f"{BASE}&{RAW_CARD}[number]={number}&{EXPIRY}")
    error = answer.body["error"]
    assert (answer.status, error["code"], error.get("decline_code")) == (402, code, decline)
    assert (await raw.get("/v1/charges")).body["data"] == []


@pytest.mark.parametrize(("token", "status"), [("tok_visa", 200), ("tok_chargeDeclined", 402), ("tok_nothing", 400)])
async def test_tokens_name_cards(raw: Raw, token: str, status: int) -> None:
    """A tok_… stands for its card."""
    answer = await raw.post(INTENTS, f"{BASE}&{RAW_CARD}[token]={token}")
    assert answer.status == status


async def test_an_expired_card_is_refused(raw: Raw) -> None:
    """A year in the past is invalid_expiry_year."""
    form = f"{RAW_CARD}[number]=4242424242424242&{RAW_CARD}[exp_month]=1&{RAW_CARD}[exp_year]=2020"
    answer = await raw.post(INTENTS, f"{BASE}&{form}")
    assert (answer.status, answer.body["error"]["code"]) == (402, "invalid_expiry_year")


async def test_off_session_a_challenge_is_a_decline(raw: Raw) -> None:
    """Nobody is there to authenticate: authentication_required, and the intent wants another payment method."""
    answer = await pay(raw, "pm_card_authenticationRequired", "&off_session=true")
    error = answer.body["error"]
    assert (answer.status, error["code"]) == (402, "authentication_required")
    assert error["payment_intent"]["status"] == "requires_payment_method"


async def test_error_on_requires_action_declines_too(raw: Raw) -> None:
    """With error_on_requires_action the challenge is an error instead of a status."""
    answer = await pay(raw, "pm_card_threeDSecure2Required", "&error_on_requires_action=true")
    assert (answer.status, answer.body["error"]["code"]) == (402, "authentication_required")


async def test_a_card_set_up_for_off_session_is_not_challenged(raw: Raw) -> None:
    """4000003800000446 is challenged with the customer present and pays without."""
    card = "pm_card_authenticationRequiredSetupForOffSession"
    assert (await pay(raw, card)).body["status"] == "requires_action"
    assert (await pay(raw, card, "&off_session=true")).body["status"] == "succeeded"


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_every_test_account_is_processing_first(raw: Raw, account: Card) -> None:
    """A debit is processing until the bank answers, then paid or failed as published."""
    money = {"us_bank_account": "usd", "sepa_debit": "eur"}[account.kind]
    form = f"amount=2000&currency={money}&payment_method_types[]={account.kind}&confirm=true"
    intent = (await raw.post(INTENTS, f"{form}&payment_method=pm_{account.name}")).body
    assert intent["status"] == "processing"
    await raw.control("clock", {"advance_s": 3601})
    after: dict[str, Any] = (await raw.get(f"{INTENTS}/{intent['id']}")).body
    if not account.settles:
        assert after["status"] == "processing"
    elif account.bounce is None:
        assert after["status"] == "succeeded"
    else:
        assert after["status"] == "requires_payment_method"
        assert after["last_payment_error"]["code"] == account.bounce.code


async def test_a_used_up_payment_method_cannot_pay_again(raw: Raw) -> None:
    """Used without a customer, a payment method is good for one payment."""
    first = (await pay(raw, "pm_card_visa")).body
    again = await pay(raw, first["payment_method"])
    assert again.status == 400
    assert "may not be used again" in again.body["error"]["message"]


async def test_an_attached_payment_method_pays_for_its_customer_only(raw: Raw) -> None:
    """It pays again and again for its customer, and for nobody else."""
    customer = (await raw.post("/v1/customers")).body["id"]
    other = (await raw.post("/v1/customers")).body["id"]
    method = (await raw.post("/v1/payment_methods/pm_card_visa/attach", f"customer={customer}")).body["id"]
    for _ in range(2):
        assert (await pay(raw, method, f"&customer={customer}")).status == 200
    assert (await pay(raw, method)).status == 400
    assert (await pay(raw, method, f"&customer={other}")).status == 400


async def test_a_card_kept_for_one_session_belongs_to_the_customer(raw: Raw) -> None:
    """The card's own setup_future_usage saves it too, and payment_method.attached is sent before the intent has succeeded."""
    customer = (await raw.post("/v1/customers")).body["id"]
    option = "payment_method_options[card][setup_future_usage]=on_session"
    intent = (await pay(raw, "pm_card_visa", f"&customer={customer}&{option}")).body
    assert (intent["status"], intent["setup_future_usage"]) == ("succeeded", None)
    assert [row["id"] for row in (await raw.get(f"/v1/customers/{customer}/payment_methods")).body["data"]] == [
        intent["payment_method"]
    ]
    kinds = [event["type"] for event in (await raw.get("/v1/events?limit=3")).body["data"]]
    assert kinds == ["payment_intent.succeeded", "payment_method.attached", "charge.succeeded"]


@pytest.mark.parametrize(("card", "status"), [("pm_card_visa", "requires_action"), ("pm_card_amex", "succeeded")])
async def test_three_d_secure_can_be_asked_for(raw: Raw, card: str, status: str) -> None:
    """request_three_d_secure=any challenges every card that has 3-D Secure."""
    more = "&payment_method_options[card][request_three_d_secure]=any"
    assert (await pay(raw, card, more)).body["status"] == status


async def test_setup_future_usage_saves_the_card(raw: Raw) -> None:
    """After the payment the payment method belongs to the customer and is not challenged off session."""
    customer = (await raw.post("/v1/customers")).body["id"]
    form = f"&customer={customer}&setup_future_usage=off_session"
    intent = (await pay(raw, "pm_card_authenticationRequiredOnSetup", form)).body
    assert intent["status"] == "requires_action"
    await raw.control(f"payment_intents/{intent['id']}/authenticate")
    (saved,) = (await raw.get(f"/v1/customers/{customer}/payment_methods")).body["data"]
    again = await pay(raw, saved["id"], f"&customer={customer}&off_session=true")
    assert again.body["status"] == "succeeded"


async def test_a_method_of_another_type_is_refused(raw: Raw) -> None:
    """A bank account does not fit an intent that takes cards."""
    answer = await pay(raw, "pm_usBankAccount_success")
    assert answer.status == 400
    assert "is not allowed for this PaymentIntent" in answer.body["error"]["message"]
