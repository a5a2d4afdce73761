"""Amounts as people read them."""

from babel.numbers import format_currency, get_currency_symbol

from contracts.money import Money, exponent


def text(amount: int, currency: str) -> str:
    """Write minor units as an English reader expects: 1999 eur is €19.99, 5120 kwd is KWD 5.120.

    The decimals are Stripe's and not those of Babel's tables, which would round 50.50 LAK to whole kip. A payment that was
    canceled before it was created has no currency.
    """
    if not currency:
        return f"{amount} minor units"
    digits = exponent(currency)
    gap = "\N{NO-BREAK SPACE}" if get_currency_symbol(currency.upper(), "en").isalpha() else ""
    pattern = f"¤{gap}#,##0" + ("." + "0" * digits if digits else "")
    value = Money(amount, currency).to_decimal()
    return format_currency(value, currency.upper(), pattern, locale="en", currency_digits=False)
