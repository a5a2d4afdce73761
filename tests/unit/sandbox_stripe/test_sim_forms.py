"""Stripe's form encoding."""

from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.stripe.errors import StripeError
from sandbox.stripe.forms import as_array, decode, encode

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="[]", exclude_categories=["Cs"]), min_size=1, max_size=8
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
TREES = st.recursive(TEXTS, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=10)


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_nested_hashes_survive_the_way_through_a_form(params: dict[str, Any]) -> None:
    """What is encoded as a[b][c] decodes to the same hashes."""
    assert decode(encode(params)) == params


@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_indexed_and_open_arrays_mean_the_same(items: list[str]) -> None:
    """a[0]=x&a[1]=y and a[]=x&a[]=y are the same array."""
    opened = "&".join(f"a[]={quote_plus(item)}" for item in items)
    assert as_array(decode(encode({"a": items}))["a"]) == as_array(decode(opened)["a"]) == items


@pytest.mark.parametrize(
    ("form", "params"),
    [
        ("a=1", {"a": "1"}),
        ("a=1&a=2", {"a": "2"}),
        ("a=", {"a": ""}),
        ("a%5Bb%5D=c+d", {"a": {"b": "c d"}}),
        ("a[]=x&a[]=y", {"a": ["x", "y"]}),
        ("a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("a[0][b]=1&a[1][b]=2", {"a": {"0": {"b": "1"}, "1": {"b": "2"}}}),
        ("", {}),
    ],
)
def test_forms_decode(form: str, params: dict[str, Any]) -> None:
    """Each notation that a Stripe client uses decodes to its nested value."""
    assert decode(form) == params


@pytest.mark.parametrize("form", ["a[=1", "[b]=1", "a=1&a[b]=2", "a[b]=1&a[]=2", "a[1][2][3][4][5][6][7][8][9]=1"])
def test_contradictory_forms_are_refused(form: str) -> None:
    """A malformed, contradictory or too deep name is a 400 and not an accident."""
    with pytest.raises(StripeError) as refusal:
        decode(form)
    assert refusal.value.status == 400


@given(st.text(max_size=60))
def test_any_text_decodes_or_is_refused(form: str) -> None:
    """Any text is either a form, or is refused with a 400."""
    try:
        outcome: object = decode(form)
    except StripeError as refusal:
        outcome = refusal.status
    assert outcome == 400 or isinstance(outcome, dict)
