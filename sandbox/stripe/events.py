"""The Events API: what happened, going back 30 days."""

from sandbox.stripe.errors import Json, parameter_error
from sandbox.stripe.world import EVENT_RETENTION_S, World


def retrieve(world: World, object_id: str, _params: Json) -> Json:
    """GET /v1/events/:id."""
    return world.events.need(object_id, in_path=True)


def list_all(world: World, params: Json) -> Json:
    """GET /v1/events: `type` (with `*`), `types[]`, `delivery_success`, `created`.

    `delivery_success=false` lists events "which are still pending or have failed all delivery attempts to a webhook endpoint".
    """
    if "type" in params and "types" in params:
        raise parameter_error("You may only specify one of these parameters: type, types.")
    wanted = params.get("types") or ([params["type"]] if "type" in params else [])
    delivered = params.get("delivery_success")
    horizon = world.clock.seconds() - EVENT_RETENTION_S

    def keep(event: Json) -> bool:
        return (
            event["created"] >= horizon
            and (not wanted or any(matches(event["type"], pattern) for pattern in wanted))
            and (delivered is None or delivered == (event["pending_webhooks"] == 0))
        )

    return world.events.page(params, keep)


def matches(kind: str, pattern: str) -> bool:
    """`*` is everything, `charge.*` a family, else the exact type."""
    if pattern.endswith("*"):
        return kind.startswith(pattern[:-1])
    return kind == pattern
