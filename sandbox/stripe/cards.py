"""Stripe's published test cards, tokens and payment methods, and what each one does.

Source: https://docs.stripe.com/testing (cards by brand, declined payments, 3D Secure, refunds, disputes, invalid data) and the
pages "ACH Direct Debit" and "SEPA Direct Debit" for bank accounts. One row per card number; the `tok_` and `pm_card_` names of
a row are the page's other two tabs.
"""

from dataclasses import dataclass
from enum import StrEnum


class Challenge(StrEnum):
    """When the card's issuer wants 3D Secure."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_SET_UP = "unless_set_up"
    UNLESS_OFF_SESSION = "unless_off_session"


class RefundFate(StrEnum):
    SUCCEEDS = "succeeds"
    FAILS_LATER = "fails_later"
    PENDING = "pending"
    # Only by the control API: no test card does these.
    PENDING_FAILS = "pending_fails"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    REQUIRES_ACTION = "requires_action"


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal as Stripe reports it. `network_status` tells a bank's refusal from a block by Radar."""

    code: str
    decline_code: str
    message: str
    advice_code: str | None = None
    network_status: str = "declined_by_network"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a cardholder says against a charge. `final`: it cannot be answered, and is lost as it is made."""

    reason: str
    case_type: str = "chargeback"  # chargeback | inquiry | compliance | resolution (prevented)
    network_code: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One test card (or bank account) and how its issuer behaves."""

    number: str
    name: str
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    kind: str = "card"
    decline: Decline | None = None
    challenge: Challenge = Challenge.NEVER
    refund: RefundFate = RefundFate.SUCCEEDS
    attaches: bool = True
    risk: str = "normal"
    # Debits only: None settles, else the failure code that the bank reports after `processing`.
    bounce: Decline | None = None
    settles: bool = True
    multicapture: bool = True
    # Its money is available at once instead of after the settlement delay.
    bypasses_pending: bool = False
    # The issuer warns of fraud after every charge.
    warns: bool = False
    # Opened against every charge, which they share between them.
    claims: tuple[Claim, ...] = ()

    @property
    def last4(self) -> str:
        return self.number[-4:]


def _declined(
    decline_code: str, message: str = "Your card was declined.", advice: str | None = "try_again_later"
) -> Decline:
    return Decline("card_declined", decline_code, message, advice)


GENERIC = _declined("generic_decline")
FUNDS = _declined("insufficient_funds", "Your card has insufficient funds.")
LOST = _declined("lost_card", advice="do_not_try_again")
STOLEN = _declined("stolen_card", advice="do_not_try_again")
VELOCITY = _declined("card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently.")
FRAUD = Decline("card_declined", "fraudulent", "Your card was declined.", "do_not_try_again", "not_sent_to_network")
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.", "confirm_card_data")
CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data")
PROCESSING = Decline(
    "processing_error", "processing_error", "An error occurred while processing your card. Try again in a little bit."
)
NUMBER = Decline("incorrect_number", "incorrect_number", "Your card number is incorrect.", "confirm_card_data")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

_ALWAYS = Challenge.ALWAYS

FRAUDULENT = Claim("fraudulent", network_code="10.4")
NOT_RECEIVED = Claim("product_not_received", network_code="13.1")
INQUIRY = Claim("fraudulent", "inquiry", "10")
COMPLIANCE = Claim("noncompliant", "compliance")
# "All SEPA Direct Debit disputes are final and there's no process for appeal."
SEPA_DISPUTE = Claim("debit_not_authorized", final=True)

CARDS: tuple[Card, ...] = (
    # Cards by brand
    Card("4242424242424242", "visa"),
    Card("4000056655665556", "visa_debit", funding="debit"),
    Card("5555555555554444", "mastercard", "mastercard"),
    Card("2223003122003222", "mastercard_series_2", "mastercard"),
    Card("5200828282828210", "mastercard_debit", "mastercard", "debit"),
    Card("5105105105105100", "mastercard_prepaid", "mastercard", "prepaid"),
    Card("378282246310005", "amex", "amex"),
    Card("371449635398431", "amex_2", "amex"),
    Card("6011111111111117", "discover", "discover"),
    Card("6011000990139424", "discover_2", "discover"),
    Card("6011981111111113", "discover_debit", "discover", "debit"),
    Card("3056930009020004", "diners", "diners"),
    Card("36227206271667", "diners_14digits", "diners"),
    Card("6555900000604105", "bccard", "discover"),
    Card("3566002020360505", "jcb", "jcb"),
    Card("6200000000000005", "unionpay", "unionpay"),
    Card("4000008400000076", "credit_disableEnterpriseCardFeatures", multicapture=False),
    # By country, the ones that European and Asian integrations use most
    Card("4000000760000002", "br", country="BR"),
    Card("4000001240000000", "ca", country="CA"),
    Card("4000004840008001", "mx", country="MX"),
    Card("4000000400000008", "at", country="AT"),
    Card("4000000560000004", "be", country="BE"),
    Card("4000002500000003", "fr", country="FR"),
    Card("4000002760000016", "de", country="DE"),
    Card("4000003720000005", "ie", country="IE"),
    Card("4000003800000008", "it", country="IT"),
    Card("4000005280000002", "nl", country="NL"),
    Card("4000007240000007", "es", country="ES"),
    Card("4000007560000009", "ch", country="CH"),
    Card("4000008260000000", "gb", country="GB"),
    Card("4000000360000006", "au", country="AU"),
    Card("4000003560000008", "in", country="IN"),
    Card("4000003920000003", "jp", country="JP"),
    # Declined payments
    Card("4000000000000002", "visa_chargeDeclined", decline=GENERIC),
    Card("4000000000009995", "visa_chargeDeclinedInsufficientFunds", decline=FUNDS),
    Card("4000000000009987", "visa_chargeDeclinedLostCard", decline=LOST),
    Card("4000000000009979", "visa_chargeDeclinedStolenCard", decline=STOLEN),
    Card("4000000000000069", "chargeDeclinedExpiredCard", decline=EXPIRED),
    Card("4000000000000127", "chargeDeclinedIncorrectCvc", decline=CVC),
    Card("4000000000000119", "chargeDeclinedProcessingError", decline=PROCESSING),
    Card("4242424242424241", "chargeDeclinedIncorrectNumber", decline=NUMBER, attaches=False),
    Card("4000000000006975", "visa_chargeDeclinedVelocityLimitExceeded", decline=VELOCITY),
    Card("4000000000000341", "chargeCustomerFail", decline=GENERIC),
    # Fraud prevention
    Card("4100000000000019", "radarBlock", decline=FRAUD, risk="highest"),
    Card("4000000000004954", "riskLevelHighest", risk="highest"),
    Card("4000000000009235", "riskLevelElevated", risk="elevated"),
    Card("4000000000000101", "cvcCheckFail"),
    Card("4000000000000036", "avsZipFail"),
    Card("4000000000000028", "avsLine1Fail"),
    Card("4000000000000010", "avsFail"),
    Card("4000000000000044", "avsUnchecked"),
    # Available balance
    Card("4000000000000077", "bypassPending", bypasses_pending=True),
    Card("4000003720000278", "bypassPendingInternational", country="IE", bypasses_pending=True),
    # Disputes: the charge itself succeeds
    Card("4000000000000259", "createDispute", claims=(FRAUDULENT,)),
    Card("4000000000002685", "createDisputeProductNotReceived", claims=(NOT_RECEIVED,)),
    Card("4000000000001976", "createDisputeInquiry", claims=(INQUIRY,)),
    Card("4000000000005423", "createIssuerFraudRecord", warns=True),
    Card("4000000404000079", "createMultipleDisputes", claims=(FRAUDULENT, NOT_RECEIVED)),
    Card("4000000404000038", "createCe3EligibleDispute", claims=(FRAUDULENT,)),
    Card("4000008400000779", "createComplianceDispute", claims=(COMPLIANCE,)),
    # Refunds
    Card("4000000000007726", "pendingRefund", refund=RefundFate.PENDING),
    Card("4000000000005126", "refundFail", refund=RefundFate.FAILS_LATER),
    # Authentication and setup
    Card("4000002500003155", "authenticationRequiredOnSetup", country="FR", challenge=Challenge.UNLESS_SET_UP),
    Card("4000002760003184", "authenticationRequired", country="DE", challenge=_ALWAYS),
    Card(
        "4000003800000446",
        "authenticationRequiredSetupForOffSession",
        country="IT",
        challenge=Challenge.UNLESS_OFF_SESSION,
    ),
    Card(
        "4000008260003178",
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        country="GB",
        challenge=_ALWAYS,
        decline=FUNDS,
    ),
    # Support and availability of 3D Secure
    Card("4000000000003220", "threeDSecure2Required", challenge=_ALWAYS),
    Card("4000000000003063", "threeDSecureRequired", challenge=_ALWAYS),
    Card("4000008400001629", "threeDSecureRequiredChargeDeclined", challenge=_ALWAYS, decline=GENERIC),
    Card("4000008400001280", "threeDSecureRequiredProcessingError", challenge=_ALWAYS, decline=PROCESSING),
    Card("4000000000003055", "threeDSecureOptional"),
    Card("4000000000003097", "threeDSecureOptionalProcessingError"),
)  # fmt: skip

# Names that the page gives to a card besides its own.
ALIASES = {
    "chargeDeclined": "visa_chargeDeclined",
    "chargeDeclinedInsufficientFunds": "visa_chargeDeclinedInsufficientFunds",
    "chargeDeclinedFraudulent": "radarBlock",
    "visa_chargeDeclinedFraudulent": "radarBlock",
    "chargeDeclinedLostCard": "visa_chargeDeclinedLostCard",
    "chargeDeclinedStolenCard": "visa_chargeDeclinedStolenCard",
    "visa_chargeDeclinedExpiredCard": "chargeDeclinedExpiredCard",
    "visa_chargeDeclinedIncorrectCvc": "chargeDeclinedIncorrectCvc",
    "visa_chargeDeclinedProcessingError": "chargeDeclinedProcessingError",
    "authenticationRequiredOnSetupForOffSession": "authenticationRequiredSetupForOffSession",
    "threeDSecureNotSupported": "amex",
    "us": "visa",
    "visa_createDispute": "createDispute",
    "visa_createDisputeInquiry": "createDisputeInquiry",
    "visa_createDisputeProductNotReceived": "createDisputeProductNotReceived",
}


def _bounced(code: str, message: str) -> Decline:
    return Decline(code, "generic_decline", message, None, "declined_by_network")


_CLOSED = _bounced("account_closed", "The customer's account could not be debited because the account is closed.")
_NO_ACCOUNT = _bounced("no_account", "The customer's account could not be debited because no account was found.")
_NO_FUNDS = _bounced("insufficient_funds", "The customer's account has insufficient funds to cover this payment.")
_DISPUTED = _bounced("debit_not_authorized", "The customer has notified their bank that this debit was not authorized.")
_CURRENCY = _bounced("invalid_currency", "The bank account does not support the currency of this payment.")
_SEPA_FAILED = _bounced("generic_could_not_process", "The transaction can't be processed because the bank declined it.")
_SEPA_FUNDS = _bounced("insufficient_funds", "The payment failed due to insufficient funds.")

_ACH = "us_bank_account"
_SEPA = "sepa_debit"

# Debits are always `processing` first; the bank's answer comes later.
ACCOUNTS: tuple[Card, ...] = (
    Card("000123456789", "usBankAccount_success", kind=_ACH),
    Card("000111111113", "usBankAccount_accountClosed", kind=_ACH, bounce=_CLOSED),
    Card("000111111116", "usBankAccount_noAccount", kind=_ACH, bounce=_NO_ACCOUNT),
    Card("000222222227", "usBankAccount_insufficientFunds", kind=_ACH, bounce=_NO_FUNDS),
    Card("000333333335", "usBankAccount_debitNotAuthorized", kind=_ACH, bounce=_DISPUTED),
    Card("000444444440", "usBankAccount_invalidCurrency", kind=_ACH, bounce=_CURRENCY),
    Card("000666666661", "usBankAccount_failMicrodeposits", kind=_ACH),
    Card("000000000009", "usBankAccount_processing", kind=_ACH, settles=False),
    Card("DE89370400440532013000", "sepaDebit_success", kind=_SEPA, country="DE"),
    Card("DE08370400440532013003", "sepaDebit_success_delayed", kind=_SEPA, country="DE"),
    Card("DE62370400440532013001", "sepaDebit_failed", kind=_SEPA, country="DE", bounce=_SEPA_FAILED),
    Card("DE78370400440532013004", "sepaDebit_failed_delayed", kind=_SEPA, country="DE", bounce=_SEPA_FAILED),
    Card("DE35370400440532013002", "sepaDebit_disputed", kind=_SEPA, country="DE", claims=(SEPA_DISPUTE,)),
    Card("DE65370400440002222227", "sepaDebit_insufficientFunds", kind=_SEPA, country="DE", bounce=_SEPA_FUNDS),
    Card("AT611904300234573201", "sepaDebit_at_success", kind=_SEPA, country="AT"),
    Card("AT321904300235473204", "sepaDebit_at_delayed", kind=_SEPA, country="AT"),
    Card("AT861904300235473202", "sepaDebit_at_failed", kind=_SEPA, country="AT", bounce=_SEPA_FAILED),
)

BY_NUMBER = {card.number: card for card in (*CARDS, *ACCOUNTS)}
BY_NAME = {card.name: card for card in (*CARDS, *ACCOUNTS)}


def by_payment_method(object_id: str) -> Card | None:
    """The card behind `pm_card_…`, `pm_usBankAccount_…` or `pm_sepaDebit_…`."""
    name = object_id.removeprefix("pm_card_") if object_id.startswith("pm_card_") else object_id.removeprefix("pm_")
    return BY_NAME.get(ALIASES.get(name, name))


def by_token(token: str) -> Card | None:
    """The card behind `tok_…`."""
    name = token.removeprefix("tok_")
    return BY_NAME.get(ALIASES.get(name, name)) if token.startswith("tok_") else None


def by_number(number: str) -> Card | None:
    """The published card, or None for a number that is on no list."""
    return BY_NUMBER.get(number)


def is_luhn(number: str) -> bool:
    """Whether a card number's check digit is right (ISO/IEC 7812-1)."""
    if not number.isascii() or not number.isdigit():
        return False
    total = 0
    for position, digit in enumerate(reversed(number)):
        doubled = int(digit) * (1 + position % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
