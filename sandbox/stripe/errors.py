"""What Stripe answers instead of an object, and what happens to the idempotency key then.

    StripeError            an HTTP status with Stripe's error body
      .stored              True: execution had begun, so the answer is kept under the idempotency key
                           False: refused before execution; the same key may be tried again

Stored, per "Idempotent requests": everything from an endpoint that began to run (card declines, state conflicts, 500).
Not stored: parameter validation, authentication, rate limits, conflicts, because "no API endpoint initiates the execution".
"""

from typing import Any

Json = dict[str, Any]

DOC_URL = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer with a status of 400 and up. `error` is the object under the key `error` of the body."""

    def __init__(self, status: int, error: Json, *, stored: bool, should_retry: bool | None = False) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = error
        self.stored = stored
        self.should_retry = should_retry


def invalid_request(
    message: str, *, code: str | None = None, param: str | None = None, status: int = 400, stored: bool, **extra: Any
) -> StripeError:
    """An invalid_request_error; code and param appear only when Stripe sends them."""
    error: Json = {}
    if code:
        error |= {"code": code, "doc_url": DOC_URL + code.replace("_", "-")}
    error["message"] = message
    if param:
        error["param"] = param
    error |= extra
    error["type"] = "invalid_request_error"
    return StripeError(status, error, stored=stored)


def parameter_error(message: str, *, code: str | None = None, param: str | None = None) -> StripeError:
    """A parameter did not pass validation: nothing was executed, nothing is stored."""
    return invalid_request(message, code=code, param=param, stored=False)


def missing_resource(kind: str, object_id: str, param: str, *, status: int) -> StripeError:
    """404 when the id is in the path, 400 when it is a parameter."""
    message = f"No such {kind}: '{object_id}'"
    return invalid_request(message, code="resource_missing", param=param, status=status, stored=False)


def state_error(message: str, intent: Json, *, param: str | None = None) -> StripeError:
    """The PaymentIntent's status does not allow this: 400 with the intent as it is."""
    return invalid_request(
        message, code="payment_intent_unexpected_state", param=param, stored=True, payment_intent=intent
    )


def authentication_error(message: str, *, code: str | None = None) -> StripeError:
    error: Json = {"message": message, "type": "invalid_request_error"}
    if code:
        error["code"] = code
    return StripeError(401, error, stored=False)


def unknown_url(method: str, path: str) -> StripeError:
    message = (
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/."
    )
    return invalid_request(message, status=404, stored=False)


def key_reused_elsewhere(key: str, path: str, first_path: str) -> StripeError:
    message = (
        "Keys for idempotent requests can only be used for the same endpoint they were first used for "
        f"('{path}' vs '{first_path}'). Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeError(400, {"message": message, "type": "idempotency_error"}, stored=False)


def key_reused_differently(key: str) -> StripeError:
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeError(400, {"message": message, "type": "idempotency_error"}, stored=False)


def key_in_use(key: str) -> StripeError:
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Let the other request finish, then try again."
    )
    error = {
        "code": "idempotency_key_in_use",
        "doc_url": DOC_URL + "idempotency-key-in-use",
        "message": message,
        "type": "invalid_request_error",
    }
    return StripeError(409, error, stored=False, should_retry=None)


def key_too_long(limit: int) -> StripeError:
    message = f"The idempotency key must be at most {limit} characters long."
    return StripeError(400, {"message": message, "type": "invalid_request_error"}, stored=False)


def rate_limited() -> StripeError:
    """Rate limiters run before the idempotency layer, so this is never stored."""
    error = {
        "code": "rate_limit",
        "doc_url": DOC_URL + "rate-limit",
        "message": "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        "type": "invalid_request_error",
    }
    return StripeError(429, error, stored=False)


def lock_timeout() -> StripeError:
    """Another request holds the object: the one 429 that Stripe asks clients to repeat."""
    error = {
        "code": "lock_timeout",
        "doc_url": DOC_URL + "lock-timeout",
        "message": (
            "This object cannot be accessed right now because another API request or Stripe process is currently "
            "accessing it. If you see this error intermittently, retry the request."
        ),
        "type": "invalid_request_error",
    }
    return StripeError(429, error, stored=False, should_retry=True)


def server_error() -> StripeError:
    """Stripe's 500: its result is kept under the key, so a retry would only replay it (hence Stripe-Should-Retry: false)."""
    error = {
        "message": "Sorry! There was an error while talking to one of our backends. Support has been notified.",
        "type": "api_error",
    }
    return StripeError(500, error, stored=True)


def unavailable() -> StripeError:
    error = {
        "message": "Stripe is temporarily unavailable. Please retry with the same idempotency key.",
        "type": "api_error",
    }
    return StripeError(503, error, stored=False, should_retry=True)
