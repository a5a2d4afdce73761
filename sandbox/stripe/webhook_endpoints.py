"""Webhook endpoints. The signing secret is shown once, in the answer to the creation."""

from sandbox.stripe.errors import Json, parameter_error
from sandbox.stripe.validation import merge_metadata
from sandbox.stripe.world import World

MAX_ENDPOINTS = 16  # Stripe's limit per account
SECRET_LENGTH = 32


def create(world: World, params: Json) -> Json:
    """POST /v1/webhook_endpoints."""
    return add(world, params, f"whsec_{world.ids.new('', SECRET_LENGTH)[1:]}")


def add(world: World, params: Json, secret: str) -> Json:
    """An endpoint with a given secret, as the command line makes one."""
    if len(world.webhook_endpoints) >= MAX_ENDPOINTS:
        raise parameter_error(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.", param="url")
    _check_url(params["url"])
    endpoint: Json = {
        "id": world.ids.new("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": world.clock.seconds(),
        "description": params.get("description"),
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "status": "enabled",
        "url": params["url"],
    }
    world.webhook_endpoints.put(endpoint)
    world.secrets[endpoint["id"]] = [secret]
    return {**endpoint, "secret": secret}


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/webhook_endpoints/:id."""
    return world.webhook_endpoints.need(object_id, in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/webhook_endpoints."""
    return world.webhook_endpoints.page(params)


def update(world: World, object_id: str, params: Json) -> Json:
    """POST /v1/webhook_endpoints/:id."""
    endpoint = world.webhook_endpoints.need(object_id, in_path=True)
    changes: Json = {name: params[name] for name in ("url", "enabled_events", "description") if name in params}
    if "url" in changes:
        _check_url(changes["url"])
    if "disabled" in params:
        changes["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        changes["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    return world.webhook_endpoints.change(endpoint, **changes)


def delete(world: World, object_id: str, _params: Json) -> Json:
    """DELETE /v1/webhook_endpoints/:id."""
    world.webhook_endpoints.need(object_id, in_path=True)
    world.webhook_endpoints.remove(object_id)
    world.secrets.pop(object_id, None)
    return {"id": object_id, "object": "webhook_endpoint", "deleted": True}


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise parameter_error("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
