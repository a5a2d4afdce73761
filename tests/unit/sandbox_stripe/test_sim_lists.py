"""Lists: order, paging, filters, expansion."""

import pytest
import stripe
from stripe._v1_services import V1Services

from sandbox.stripe.server import Running
from tests.unit.sandbox_stripe.intents import make
from tests.unit.sandbox_stripe.raw import Raw


async def customers(raw: Raw, count: int) -> list[str]:
    """Newest first."""
    made = [(await raw.post("/v1/customers", f"email=c{number}@example.com")).body["id"] for number in range(count)]
    return made[::-1]


def ids(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["id"] for row in page["data"]]


async def test_a_list_is_newest_first_and_ten_long(raw: Raw) -> None:
    """The default page has the ten newest and says that there are more."""
    made = await customers(raw, 12)
    page = (await raw.get("/v1/customers")).body
    assert (page["object"], page["url"], page["has_more"]) == ("list", "/v1/customers", True)
    assert ids(page) == made[:10]


async def test_pages_go_forth_and_back(raw: Raw) -> None:
    """starting_after continues below its id, ending_before above it, both in the same order."""
    made = await customers(raw, 5)
    older = (await raw.get(f"/v1/customers?limit=2&starting_after={made[1]}")).body
    assert (ids(older), older["has_more"]) == (made[2:4], True)
    last = (await raw.get(f"/v1/customers?limit=2&starting_after={made[3]}")).body
    assert (ids(last), last["has_more"]) == (made[4:], False)
    newer = (await raw.get(f"/v1/customers?limit=2&ending_before={made[3]}")).body
    assert (ids(newer), newer["has_more"]) == (made[1:3], True)


async def test_the_sdk_pages_through_everything(raw: Raw, sdk: V1Services) -> None:
    """auto_paging_iter sees each object once, in order."""
    made = await customers(raw, 7)
    page = await sdk.customers.list_async({"limit": 3})
    assert [customer.id async for customer in page.auto_paging_iter()] == made


@pytest.mark.parametrize("limit", ["0", "101", "x"])
async def test_a_limit_is_between_1_and_100(raw: Raw, limit: str) -> None:
    """Another limit is parameter_invalid_integer."""
    answer = await raw.get(f"/v1/customers?limit={limit}")
    assert (answer.status, answer.body["error"]["code"]) == (400, "parameter_invalid_integer")


async def test_an_unknown_cursor_is_refused(raw: Raw) -> None:
    """starting_after must name an object that exists."""
    answer = await raw.get("/v1/customers?starting_after=cus_none")
    assert (answer.status, answer.body["error"]["code"]) == (400, "resource_missing")
    assert answer.body["error"]["param"] == "starting_after"


async def test_intents_are_listed_by_customer_also_after_it_was_set(raw: Raw) -> None:
    """The customer filter finds an intent that got its customer by an update."""
    (customer,) = await customers(raw, 1)
    intent = await make(raw, "requires_payment_method")
    await make(raw, "requires_payment_method")
    await raw.post(f"/v1/payment_intents/{intent['id']}", f"customer={customer}")
    assert ids((await raw.get(f"/v1/payment_intents?customer={customer}")).body) == [intent["id"]]


async def test_lists_filter_by_creation(raw: Raw, run: Running) -> None:
    """created[gt], [gte], [lt], [lte] and an exact created select by the simulator's clock."""
    (old,) = await customers(raw, 1)
    run.simulator.world.clock.advance(100)
    (new,) = await customers(raw, 1)
    created = (await raw.get(f"/v1/customers/{new}")).body["created"]
    cases = {
        f"created[gte]={created}": [new],
        f"created[gt]={created}": [],
        f"created[lt]={created}": [old],
        f"created[lte]={created}": [new, old],
        f"created={created}": [new],
    }
    for query, expected in cases.items():
        assert ids((await raw.get(f"/v1/customers?{query}")).body) == expected


async def test_events_filter_by_type(raw: Raw) -> None:
    """The filter type takes one kind or a family, types[] several kinds, and both together are refused."""
    await make(raw, "succeeded")

    async def kinds(query: str) -> list[str]:
        return [event["type"] for event in (await raw.get(f"/v1/events?{query}")).body["data"]]

    assert await kinds("type=charge.succeeded") == ["charge.succeeded"]
    assert await kinds("type=payment_intent.*") == ["payment_intent.succeeded", "payment_intent.created"]
    assert await kinds("types[]=charge.succeeded&types[]=payment_intent.created") == [
        "charge.succeeded",
        "payment_intent.created",
    ]
    assert (await raw.get("/v1/events?type=a&types[]=b")).status == 400


async def test_events_are_kept_for_thirty_days(raw: Raw, run: Running) -> None:
    """After 30 days an event is in no list and cannot be retrieved."""
    await customers(raw, 1)
    (event,) = (await raw.get("/v1/events")).body["data"]
    run.simulator.world.clock.advance(30 * 24 * 3600 + 1)
    assert (await raw.get("/v1/events")).body["data"] == []
    await customers(raw, 1)
    assert (await raw.get(f"/v1/events/{event['id']}")).status == 404


async def test_ids_expand_to_objects(sdk: V1Services, raw: Raw) -> None:
    """expand[] replaces ids by objects, several levels deep."""
    intent = await make(raw, "succeeded")
    shown = await sdk.payment_intents.retrieve_async(
        intent["id"], {"expand": ["latest_charge.refunds", "latest_charge.payment_intent.payment_method"]}
    )
    assert isinstance(shown.latest_charge, stripe.Charge)
    assert shown.latest_charge.refunds is not None
    assert shown.latest_charge.refunds.data == []
    inner = shown.latest_charge.payment_intent
    assert isinstance(inner, stripe.PaymentIntent)
    assert isinstance(inner.payment_method, stripe.PaymentMethod)


async def test_lists_expand_under_data(raw: Raw) -> None:
    """In a list the path begins with data; without it, it is refused."""
    await make(raw, "succeeded")
    page = (await raw.get("/v1/payment_intents?expand[]=data.latest_charge")).body
    assert page["data"][0]["latest_charge"]["object"] == "charge"
    assert (await raw.get("/v1/payment_intents?expand[]=latest_charge")).status == 400


@pytest.mark.parametrize("path", ["colour", "amount", "latest_charge.colour", "customer.invoice_settings"])
async def test_what_cannot_be_expanded_is_refused_before_anything_happens(raw: Raw, path: str) -> None:
    """An unexpandable property is a 400, and the create did not happen."""
    answer = await raw.post("/v1/payment_intents", f"amount=2000&currency=usd&expand[]={path}")
    assert answer.status == 400
    assert answer.body["error"]["message"] == f"This property cannot be expanded ({path})."
    assert (await raw.get("/v1/payment_intents")).body["data"] == []


async def test_five_levels_are_too_deep(raw: Raw) -> None:
    """Expansion ends at four levels."""
    path = "latest_charge.payment_intent.latest_charge.payment_intent"
    intent = await make(raw, "succeeded")
    assert (await raw.get(f"/v1/payment_intents/{intent['id']}?expand[]={path}")).status == 200
    assert (await raw.get(f"/v1/payment_intents/{intent['id']}?expand[]={path}.customer")).status == 400
