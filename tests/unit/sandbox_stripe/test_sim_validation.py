"""Parameters: what is refused, with which code and for which parameter."""

import pytest

from tests.unit.sandbox_stripe.raw import Raw

INTENTS = "/v1/payment_intents"
GOOD = "amount=2000&currency=usd"


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("currency=usd", "parameter_missing", "amount"),
        ("amount=2000", "parameter_missing", "currency"),
        (f"{GOOD}&colour=red", "parameter_unknown", "colour"),
        (f"{GOOD}&shipping[address][planet]=mars", "parameter_unknown", "shipping[address][planet]"),
        (f"{GOOD}&shipping[name]=x", "parameter_missing", "shipping[address]"),
        ("amount=x&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=20.00&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=0&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=-5&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=&currency=usd", "parameter_invalid_empty", "amount"),
        ("amount=49&currency=usd", "amount_too_small", "amount"),
        ("amount=29&currency=gbp", "amount_too_small", "amount"),
        ("amount=100000000&currency=usd", "amount_too_large", "amount"),
        ("amount=2000&currency=gold", None, "currency"),
        (f"{GOOD}&capture_method=never", None, "capture_method"),
        (f"{GOOD}&confirm=yes", None, "confirm"),
        (f"{GOOD}&payment_method_types=card", None, "payment_method_types"),
        (f"{GOOD}&metadata=x", None, "metadata"),
        (f"{GOOD}&metadata[a][b]=x", None, "metadata[a]"),
        (f"{GOOD}&metadata[{'k' * 41}]=x", None, "metadata"),
        (f"{GOOD}&metadata[k]={'v' * 501}", None, "metadata[k]"),
        (GOOD + "".join(f"&metadata[k{number}]=v" for number in range(51)), None, "metadata"),
        (f"{GOOD}&description={'d' * 1001}", None, "description"),
        (f"{GOOD}&customer=cus_none", "resource_missing", "customer"),
        (f"{GOOD}&payment_method=pm_none", "resource_missing", "payment_method"),
        (f"{GOOD}&return_url=https://shop.example/", None, "return_url"),
        (f"{GOOD}&payment_method_data[type]=gold", None, "payment_method_data[type]"),
        (f"{GOOD}&payment_method_data[card][number]=1", "parameter_missing", "payment_method_data[type]"),
    ],
)
async def test_bad_parameters(raw: Raw, form: str, code: str | None, param: str) -> None:
    """A bad parameter is an invalid_request_error that names it, and nothing is created."""
    answer = await raw.post(INTENTS, form)
    error = answer.body["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
    assert (error.get("code"), error["param"]) == (code, param)
    assert (await raw.get(INTENTS)).body["data"] == []


async def test_unknown_parameters_are_all_named(raw: Raw) -> None:
    """Two unknown parameters are listed in one message."""
    error = (await raw.post(INTENTS, f"{GOOD}&a=1&b=2")).body["error"]
    assert error["message"] == "Received unknown parameters: a, b"


@pytest.mark.parametrize("form", ["amount=50&currency=USD", "amount=50&currency=jpy", "amount=99999999&currency=usd"])
async def test_the_limits_themselves_are_allowed(raw: Raw, form: str) -> None:
    """The least and the most that may be charged are accepted, and a currency in capitals is lowered."""
    answer = await raw.post(INTENTS, form)
    assert answer.status == 200
    assert answer.body["currency"].islower()


async def test_metadata_is_merged_and_unset(raw: Raw) -> None:
    """An update sets some keys, deletes those given as "", and "" as the whole deletes all."""
    intent = (await raw.post(INTENTS, f"{GOOD}&metadata[a]=1&metadata[b]=2&metadata[0]=n")).body
    path = f"{INTENTS}/{intent['id']}"
    merged = (await raw.post(path, "metadata[b]=&metadata[c]=3")).body["metadata"]
    assert merged == {"a": "1", "0": "n", "c": "3"}
    assert (await raw.post(path, "metadata=")).body["metadata"] == {}


async def test_a_404_names_the_object(raw: Raw) -> None:
    """An unknown id in the path is resource_missing with a 404."""
    answer = await raw.get(f"{INTENTS}/pi_none")
    error = answer.body["error"]
    assert (answer.status, error["code"], error["message"]) == (
        404,
        "resource_missing",
        "No such payment_intent: 'pi_none'",
    )


async def test_text_can_be_unset(raw: Raw) -> None:
    """An empty description in an update removes it."""
    intent = (await raw.post(INTENTS, f"{GOOD}&description=x")).body
    assert (await raw.post(f"{INTENTS}/{intent['id']}", "description=")).body["description"] is None


async def test_a_succeeded_intent_still_takes_metadata(raw: Raw) -> None:
    """After the payment the description and the metadata may change, the amount may not."""
    form = f"{GOOD}&payment_method_types[]=card&payment_method=pm_card_visa&confirm=true"
    path = f"{INTENTS}/{(await raw.post(INTENTS, form)).body['id']}"
    assert (await raw.post(path, "metadata[a]=1&description=d")).body["metadata"] == {"a": "1"}
    assert (await raw.post(path, "amount=3000")).status == 400
