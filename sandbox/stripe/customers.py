"""Customers."""

from sandbox.stripe import payment_methods
from sandbox.stripe.errors import Json, missing_resource
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
    if params.get("payment_method"):
        method = payment_methods.resolve(world, params["payment_method"], "payment_method")
        payment_methods.attach(world, method, customer["id"])
    customer = _set_default(world, customer, params)
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


def _living(world: World, object_id: str) -> Json:
    customer = world.customers.need(object_id, in_path=True)
    if customer.get("deleted"):
        raise missing_resource("customer", object_id, "id", status=404)
    return customer


def _set_default(world: World, customer: Json, params: Json) -> Json:
    method_id = (params.get("invoice_settings") or {}).get("default_payment_method")
    if not method_id:
        return customer
    method = payment_methods.resolve(world, method_id, "invoice_settings[default_payment_method]")
    payment_methods.attach(world, method, customer["id"])
    settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    return world.customers.change(customer, invoice_settings=settings)


def _full_address(customer: Json) -> None:
    if customer["address"] is not None:
        customer["address"] = {**payment_methods.EMPTY_ADDRESS, **customer["address"]}
    if customer["shipping"] is not None:
        address = {**payment_methods.EMPTY_ADDRESS, **customer["shipping"]["address"]}
        customer["shipping"] = {"name": None, "phone": None, **customer["shipping"], "address": address}
