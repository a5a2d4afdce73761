"""The currencies that Stripe takes and the least and most that one charge may be.

Source: "Supported currencies" (zero-decimal list, minimum charge amounts) and the eight digits that `amount` accepts.
"""

from decimal import Decimal

MAX_AMOUNT = 99_999_999  # "The amount value supports up to eight digits"
DEFAULT_MINIMUM = 1  # Stripe publishes minimums for the settlement currencies only; others depend on conversion

# In the currency's own minor unit.
MINIMUM = {
    "usd": 50, "aed": 200, "ars": 50, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "cop": 50, "czk": 1500,
    "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "php": 50, "pln": 200, "ron": 200, "rub": 50, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905  a table is easier to check
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])

SUPPORTED = frozenset(
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp "  # noqa: SIM905
    "cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils inr "
    "isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr "
    "mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd "
    "std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw usdc".split()
)


def minimum(currency: str) -> int:
    return MINIMUM.get(currency, DEFAULT_MINIMUM)


def as_text(amount: int, currency: str) -> str:
    """An amount as Stripe's messages write it: $20.00, €20.00, ¥2000, 20.00 chf."""
    if currency in ZERO_DECIMAL:
        number = str(amount)
    else:
        places = 3 if currency in THREE_DECIMAL else 2
        number = f"{Decimal(amount).scaleb(-places):,.{places}f}"
    sign = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}.get(currency)
    return f"{sign}{number}" if sign else f"{number} {currency}"
