"""Amounts as people read them, in their own language. For screens and mail alone: nothing is ever computed from the text."""

import unicodedata
from copy import copy
from decimal import localcontext

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberPattern, format_currency, get_currency_symbol

from contracts.money import WHOLE_IN_HUNDREDTHS, Money

_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"

_DIGITS = 40
"""Babel computes in the current decimal context; a smaller one, which somebody may have set, would round an amount."""


def text(amount: int, currency: str, locale: str = "en") -> str:
    """Write minor units for a reader of `locale`: 1999 eur is €19.99 in en, 19,99 € in de; 5120 kwd is KWD 5.120.

    The decimals are Stripe's: Babel's own, from CLDR, would write 50.50 LAK as whole kip. ISK and UGX, which have no decimals
    but are counted in hundredths, are written without, unless there are some to be seen. An amount in a currency that ISO
    4217 has withdrawn since is written as a count of minor units. Raises ValueError for a locale that does not exist.
    """
    language = _language(locale)
    try:
        money = Money(amount, currency)
    except ValueError:
        return f"{amount} minor units of {currency.upper() or 'no currency'}"
    code = money.currency.upper()
    pattern = _pattern(language, _decimals(money), get_currency_symbol(code, language))
    with localcontext(prec=_DIGITS):
        return format_currency(money.to_decimal(), code, pattern, language, currency_digits=False)


def _language(locale: str) -> Locale:
    try:
        return Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError(f"no locale is called {locale!r}") from None


def _decimals(money: Money) -> int:
    digits = -money.to_decimal().as_tuple().exponent  # type: ignore[operator]  # finite by construction
    whole = money.currency in WHOLE_IN_HUNDREDTHS and money.amount % 10**digits == 0
    return 0 if whole else digits


def _pattern(language: Locale, decimals: int, symbol: str) -> NumberPattern:
    """The locale's own pattern with these decimals, and a gap between a symbol of letters and the digits.

    Babel leaves out the gap that CLDR asks for: UTS 35 part 3, "Currencies", currencySpacing.
    """
    pattern: NumberPattern = copy(language.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    if _is_worded(symbol[-1]):
        positive, negative = (part + _NO_BREAK_SPACE if part.endswith("¤") else part for part in pattern.prefix)
        pattern.prefix = (positive, negative)
    if _is_worded(symbol[0]):
        positive, negative = (_NO_BREAK_SPACE + part if part.startswith("¤") else part for part in pattern.suffix)
        pattern.suffix = (positive, negative)
    return pattern


def _is_worded(character: str) -> bool:
    """Neither a symbol such as $ nor a separator."""
    return unicodedata.category(character)[0] not in "SZ"
