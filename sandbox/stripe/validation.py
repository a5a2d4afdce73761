"""Parameter types: text from a form in, a typed value out, or Stripe's own error.

A `Spec` is the complete list of an endpoint's parameters: what it does not list is `parameter_unknown`. An empty string
means "unset" where Stripe allows it and comes out as None.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox.stripe import currencies
from sandbox.stripe.errors import Json, parameter_error
from sandbox.stripe.forms import as_array

Parse = Callable[[Any, str], Any]

MAX_STRING = 5000  # the limit of most text parameters
METADATA_KEYS = 50  # "You can specify up to 50 keys, with key names up to 40 characters and values up to 500"
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500
MAX_EXPAND = 100
MAX_PAGE = 100


class Param(NamedTuple):
    parse: Parse
    required: bool = False


Spec = dict[str, Param]


def check(spec: Spec, params: Json, prefix: str = "") -> Json:
    """The typed parameters. Raises for unknown, missing and ill-typed ones, in that order, as Stripe does."""
    unknown = [_name(prefix, key) for key in params if key not in spec]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise parameter_error(
            f"Received unknown parameter{plural}: {', '.join(unknown)}", code="parameter_unknown", param=unknown[0]
        )
    typed: Json = {}
    for key, param in spec.items():
        if key in params:
            typed[key] = param.parse(params[key], _name(prefix, key))
        elif param.required:
            name = _name(prefix, key)
            raise parameter_error(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return typed


def required(parse: Parse) -> Param:
    return Param(parse, required=True)


def optional(parse: Parse) -> Param:
    return Param(parse)


def unsettable(parse: Parse) -> Param:
    """Optional, and an empty string unsets it."""
    return Param(lambda value, name: None if value == "" else parse(value, name))


def string(max_length: int = MAX_STRING) -> Parse:
    def parse(value: Any, name: str) -> str:
        text = _scalar(value, name, "string")
        if len(text) > max_length:
            raise parameter_error(
                f"Invalid string: {text[:10]}…{text[-4:]}; must be at most {max_length} characters", param=name
            )
        return text

    return parse


def integer(minimum: int | None = None, maximum: int | None = None) -> Parse:
    def parse(value: Any, name: str) -> int:
        text = _scalar(value, name, "integer")
        try:
            number = int(text)
        except ValueError:
            raise parameter_error(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name) from None
        if minimum is not None and number < minimum:
            message = f"This value must be greater than or equal to {minimum}."
            raise parameter_error(message, code="parameter_invalid_integer", param=name)
        if maximum is not None and number > maximum:
            message = f"This value must be less than or equal to {maximum}."
            raise parameter_error(message, code="parameter_invalid_integer", param=name)
        return number

    return parse


def boolean(value: Any, name: str) -> bool:
    text = _scalar(value, name, "boolean")
    if text not in {"true", "false"}:
        raise parameter_error(f"Invalid boolean: {text}", param=name)
    return text == "true"


def enum(*values: str) -> Parse:
    def parse(value: Any, name: str) -> str:
        text = _scalar(value, name, "string")
        if text not in values:
            listed = " or ".join(values) if len(values) < 3 else f"{', '.join(values[:-1])}, or {values[-1]}"
            raise parameter_error(f"Invalid {name}: must be one of {listed}", param=name)
        return text

    return parse


def array(item: Parse, max_length: int = MAX_EXPAND) -> Parse:
    def parse(value: Any, name: str) -> list[Any]:
        items = as_array(value)
        if items is None:
            raise parameter_error("Invalid array", param=name)
        if len(items) > max_length:
            raise parameter_error(f"Array exceeded maximum {max_length} allowed elements.", param=name)
        return [item(inner, f"{name}[{index}]") for index, inner in enumerate(items)]

    return parse


def mapping(spec: Spec) -> Parse:
    """A hash with known keys."""

    def parse(value: Any, name: str) -> Json:
        if not isinstance(value, dict):
            raise parameter_error("Invalid object", param=name)
        return check(spec, value, name)

    return parse


def free(value: Any, _name: str) -> Any:
    """A parameter that exists at Stripe and is accepted here without a closer look."""
    return value


def currency(value: Any, name: str) -> str:
    text = _scalar(value, name, "string").lower()
    if text not in currencies.SUPPORTED:
        listed = ", ".join(sorted(currencies.SUPPORTED))
        message = f"Invalid currency: {text}. Stripe currently supports these currencies: {listed}"
        raise parameter_error(message, param=name)
    return text


def metadata(value: Any, name: str) -> Json:
    """Changes to the metadata: a value of "" deletes its key, and "" as the whole deletes all (shown by None)."""
    if value == "":
        return {"": None}
    if not isinstance(value, dict):
        raise parameter_error("Invalid object", param=name)
    for key, text in value.items():
        full = f"{name}[{key}]"
        if not isinstance(text, str):
            raise parameter_error(
                f"Metadata values must be strings, but for key: {key}, you passed in a hash", param=full
            )
        if len(key) > METADATA_KEY_LENGTH:
            message = (
                f"Metadata keys can be up to {METADATA_KEY_LENGTH} characters, but you passed in a key of {len(key)}"
            )
            raise parameter_error(f"{message} characters. Invalid key: {key}", param=name)
        if len(text) > METADATA_VALUE_LENGTH:
            message = f"Metadata values can have up to {METADATA_VALUE_LENGTH} characters, but you passed in a value of"
            raise parameter_error(f"{message} {len(text)} characters. Invalid value: {text}", param=full)
    return value


def merge_metadata(old: Json, changes: Json | None) -> Json:
    """The new metadata: set, delete by "", unset all by {"": None}."""
    if not changes:
        return old
    if "" in changes and changes[""] is None:
        return {}
    merged = {key: text for key, text in (old | changes).items() if text != ""}
    if len(merged) > METADATA_KEYS:
        message = f"You can only have {METADATA_KEYS} metadata keys, but this would be {len(merged)}."
        raise parameter_error(message, param="metadata")
    return merged


def check_amount(amount: int, money: str, name: str = "amount") -> None:
    """One charge's limits in its currency."""
    least = currencies.minimum(money)
    if amount < least:
        message = f"Amount must be at least {currencies.as_text(least, money)} {money}"
        raise parameter_error(message, code="amount_too_small", param=name)
    if amount > currencies.MAX_AMOUNT:
        message = f"Amount must be no more than {currencies.as_text(currencies.MAX_AMOUNT, money)} {money}"
        raise parameter_error(message, code="amount_too_large", param=name)


def _scalar(value: Any, name: str, kind: str) -> str:
    if not isinstance(value, str):
        shape = "an array" if isinstance(value, list) else "a hash"
        raise parameter_error(f"Invalid {kind}: {name} was given as {shape}", param=name)
    if value == "":
        message = (
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however "
            f"'{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."
        )
        raise parameter_error(message, code="parameter_invalid_empty", param=name)
    return value


def _name(prefix: str, key: str) -> str:
    return f"{prefix}[{key}]" if prefix else key


def _instant(value: Any, name: str) -> int:
    """A timestamp; Stripe also takes `now` in filters."""
    return int(integer()(value, name))


def time_range(value: Any, name: str) -> Json:
    """`created=T` or `created[gte|gt|lte|lt]=T`."""
    if isinstance(value, str):
        instant = _instant(value, name)
        return {"gte": instant, "lte": instant}
    bounds: Json = mapping({key: optional(_instant) for key in ("gt", "gte", "lt", "lte")})(value, name)
    return bounds


EXPAND: Spec = {"expand": optional(array(string()))}
PAGE: Spec = {
    "limit": optional(integer(1, MAX_PAGE)),
    "starting_after": optional(string()),
    "ending_before": optional(string()),
    **EXPAND,
}
CREATED: Spec = {"created": optional(time_range)}
