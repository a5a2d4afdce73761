"""Customers."""

from sandbox.stripe import payment_methods
from sandbox.stripe.errors import Json, invalid_request, missing_resource
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

TEXT = ("address", "business_name", "description", "email", "individual_name", "name", "phone", "shipping")
PREFIX_LENGTH = 8


def create(world: World, params: Json) -> Json:
    """POST /v1/customers."""
    customer: Json = {
        "id": world.ids.new("cus", 14),
        "object": "customer",
        "address": None,
        "balance": params.get("balance", 0),
        "created": world.clock.seconds(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": params.get("invoice_prefix") or world.ids.new("", PREFIX_LENGTH)[1:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "name": None,
        "next_invoice_sequence": params.get("next_invoice_sequence", 1),
        "phone": None,
        "preferred_locales": params.get("preferred_locales", []),
        "shipping": None,
        "tax_exempt": params.get("tax_exempt") or "none",
        "test_clock": None,
    }
    customer |= {name: params[name] for name in TEXT if name in params}
    _full_address(customer)
    world.customers.put(customer)
    attached = None
    if params.get("payment_method"):
        attached = payment_methods.resolve(world, params["payment_method"], "payment_method")
        attached = payment_methods.attach(world, attached, customer["id"])
    customer = _set_default(world, customer, params, attached)
    world.emit("customer.created", customer)
    return customer


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/customers/:id. A deleted customer is still found, as deleted."""
    return world.customers.need(object_id, in_path=True)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/customers/:id."""
    customer = _living(world, object_id)
    names = (*TEXT, "balance", "invoice_prefix", "next_invoice_sequence", "preferred_locales", "tax_exempt")
    changes = {name: params[name] for name in names if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    draft = {**customer, **changes}
    _full_address(draft)
    new = _set_default(world, world.customers.put(draft), params)
    world.emit("customer.updated", new, before=customer)
    return new


def delete(world: World, object_id: str, _params: Json) -> Json:
    """DELETE /v1/customers/:id."""
    customer = _living(world, object_id)
    for method in world.payment_methods.where("customer", object_id):
        world.payment_methods.change(method, customer=None)
        world.consumed.add(method["id"])
    gone = world.customers.put({"id": object_id, "object": "customer", "created": customer["created"], "deleted": True})
    world.emit("customer.deleted", customer)
    return {name: gone[name] for name in ("id", "object", "deleted")}


def list_all(world: World, params: Json) -> Json:
    """GET /v1/customers: the living, optionally by exact (case-sensitive) email."""
    email = params.get("email")
    return world.customers.page(
        params, lambda customer: not customer.get("deleted") and (email is None or customer["email"] == email)
    )


def living(world: World, customer_id: str) -> Json:
    """A customer named by a parameter. Raises Stripe's 400 for one that never was and for one that was deleted."""
    customer = world.customers.need(customer_id, "customer")
    if customer.get("deleted"):
        raise missing_resource("customer", customer_id, "customer", status=400)
    return customer


def _living(world: World, object_id: str) -> Json:
    customer = world.customers.need(object_id, in_path=True)
    if customer.get("deleted"):
        raise missing_resource("customer", object_id, "id", status=404)
    return customer


def _set_default(world: World, customer: Json, params: Json, attached: Json | None = None) -> Json:
    """`invoice_settings.default_payment_method`: one of the customer's, or "" for none."""
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" not in settings:
        return customer
    reference = settings["default_payment_method"] or None
    if attached is not None and reference == params["payment_method"]:
        reference = attached[
            "id"
        ]  # a test id names a new object each time, but both names of one request mean the same
    method = world.payment_methods.get(reference)
    if reference is not None and (method is None or method["customer"] != customer["id"]):
        raise invalid_request(
            f"The customer does not have a payment method with the ID {reference}. The payment method must be attached to the "
            "customer.",
            code="resource_missing",
            param="invoice_settings[default_payment_method]",
            stored=True,
        )
    settings = {**customer["invoice_settings"], "default_payment_method": reference}
    return world.customers.change(customer, invoice_settings=settings)


def _full_address(customer: Json) -> None:
    if customer["address"] is not None:
        customer["address"] = {**payment_methods.EMPTY_ADDRESS, **customer["address"]}
    if customer["shipping"] is not None:
        address = {**payment_methods.EMPTY_ADDRESS, **customer["shipping"]["address"]}
        customer["shipping"] = {"name": None, "phone": None, **customer["shipping"], "address": address}
