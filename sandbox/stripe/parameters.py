"""Every endpoint's parameters, as in Stripe's API reference (names checked against the SDK's `stripe/params`).

`free` marks what Stripe has and the simulator accepts without modelling it.
"""

from sandbox.stripe.disputes import EVIDENCE
from sandbox.stripe.validation import (
    CREATED,
    EXPAND,
    PAGE,
    Spec,
    array,
    boolean,
    currency,
    enum,
    free,
    integer,
    mapping,
    metadata,
    optional,
    required,
    string,
    unsettable,
)

PAYMENT_METHOD_KINDS = (
    "acss_debit", "affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "au_becs_debit", "bacs_debit", "bancontact",
    "billie", "bizum", "blik", "boleto", "cashapp", "crypto", "customer_balance", "eps", "fpx", "giropay", "grabpay", "ideal",
    "interac_present", "kakao_pay", "klarna", "konbini", "kr_card", "link", "mb_way", "mobilepay", "multibanco", "naver_pay",
    "nz_bank_account", "oxxo", "p24", "pay_by_bank", "payco", "paynow", "paypal", "paypay", "payto", "pix", "promptpay",
    "revolut_pay", "samsung_pay", "satispay", "scalapay", "sepa_debit", "sequra", "sofort", "sunbit", "swish", "twint", "upi",
    "us_bank_account", "wechat_pay", "zip",
)  # fmt: skip

MAX_EVIDENCE = 20_000  # "Has a maximum character count of 20,000"

CARD_OPTIONS_UNMODELLED = (
    "cvc_token", "installments", "mandate_options", "moto", "network", "request_extended_authorization",
    "request_incremental_authorization", "request_overcapture", "require_cvc_recollection", "setup_credential_usage",
    "statement_descriptor_suffix_kana", "statement_descriptor_suffix_kanji", "stored_credential_usage", "three_d_secure",
)  # fmt: skip

_ADDRESS: Spec = {name: unsettable(string()) for name in ("city", "country", "line1", "line2", "postal_code", "state")}
_SHIPPING: Spec = {
    "address": required(mapping(_ADDRESS)),
    "name": optional(string()),
    "phone": unsettable(string()),
    "carrier": optional(string()),
    "tracking_number": optional(string()),
}
_BILLING: Spec = {
    "address": unsettable(mapping(_ADDRESS)),
    **{name: unsettable(string()) for name in ("email", "name", "phone", "tax_id")},
}
_CARD: Spec = {
    "number": optional(string()),
    "exp_month": optional(integer(1, 12)),
    "exp_year": optional(integer(0, 9999)),
    "cvc": optional(string()),
    "token": optional(string()),
    "networks": optional(free),
}
_BANK: Spec = {
    "account_number": optional(string()),
    "routing_number": optional(string()),
    "account_holder_type": optional(enum("individual", "company")),
    "account_type": optional(enum("checking", "savings")),
    "financial_connections_account": optional(string()),
}
_KINDS: Spec = {
    **{kind: optional(free) for kind in PAYMENT_METHOD_KINDS},
    "card": optional(mapping(_CARD)),
    "us_bank_account": optional(mapping(_BANK)),
    "sepa_debit": optional(mapping({"iban": required(string())})),
}
PAYMENT_METHOD_DATA: Spec = {
    "type": required(string()),
    "billing_details": optional(mapping(_BILLING)),
    "metadata": optional(metadata),
    "allow_redisplay": optional(enum("always", "limited", "unspecified")),
    "radar_options": optional(free),
    **_KINDS,
}

METHOD_OPTIONS: Spec = {
    **{kind: optional(free) for kind in (*PAYMENT_METHOD_KINDS, "card_present")},
    "card": unsettable(
        mapping(
            {
                **{name: optional(free) for name in CARD_OPTIONS_UNMODELLED},
                "capture_method": unsettable(enum("manual")),
                "request_multicapture": optional(enum("if_available", "never")),
                "request_three_d_secure": optional(enum("any", "automatic", "challenge")),
                "setup_future_usage": unsettable(enum("none", "off_session", "on_session")),
            }
        )
    ),
}

_FUTURE_USAGE = enum("off_session", "on_session")
_CAPTURE = enum("automatic", "automatic_async", "manual")
_INTENT: Spec = {
    "allowed_payment_method_types": unsettable(array(string())),
    "amount_details": optional(free),
    "application_fee_amount": optional(free),
    "capture_method": optional(_CAPTURE),
    "customer": unsettable(string()),
    "customer_account": optional(free),
    "description": unsettable(string(1000)),
    "excluded_payment_method_types": unsettable(array(string())),
    "hooks": optional(free),
    "metadata": optional(metadata),
    "payment_details": optional(free),
    "payment_method": unsettable(string()),
    "payment_method_configuration": optional(free),
    "payment_method_data": optional(mapping(PAYMENT_METHOD_DATA)),
    "payment_method_options": optional(mapping(METHOD_OPTIONS)),
    "payment_method_types": optional(array(string())),
    "receipt_email": unsettable(string(800)),
    "setup_future_usage": unsettable(_FUTURE_USAGE),
    "shipping": unsettable(mapping(_SHIPPING)),
    "statement_descriptor": optional(string(22)),
    "statement_descriptor_suffix": optional(string(22)),
    "transfer_data": optional(free),
    "transfer_group": optional(string()),
    **EXPAND,
}
_CONFIRMING: Spec = {
    "confirmation_token": optional(string()),
    "error_on_requires_action": optional(boolean),
    "mandate": optional(string()),
    "mandate_data": optional(free),
    "off_session": optional(free),
    "radar_options": optional(free),
    "return_url": optional(string()),
    "use_stripe_sdk": optional(boolean),
}

INTENT_CREATE: Spec = {
    **_INTENT,
    **_CONFIRMING,
    "amount": required(integer(1)),
    "currency": required(currency),
    "automatic_payment_methods": optional(
        mapping({"enabled": required(boolean), "allow_redirects": optional(enum("always", "never"))})
    ),
    "confirm": optional(boolean),
    "confirmation_method": optional(enum("automatic", "manual")),
    "on_behalf_of": optional(string()),
    "secret_key_confirmation": optional(free),
}
INTENT_UPDATE: Spec = {**_INTENT, "amount": optional(integer(1)), "currency": optional(currency)}
INTENT_CONFIRM: Spec = {
    **{name: param for name, param in _INTENT.items() if name not in {"customer", "description", "metadata"}},
    **_CONFIRMING,
    "amount_to_confirm": optional(integer(1)),
    "client_secret": optional(string()),
    "key": optional(string()),
    "expected_payment_method_type": optional(string()),
}
INTENT_RETRIEVE: Spec = {
    "client_secret": optional(string()),
    "key": optional(string()),
    "is_stripe_sdk": optional(string()),
    **EXPAND,
}
SEARCH: Spec = {"limit": optional(integer()), "page": optional(string()), "query": optional(string()), **EXPAND}
INTENT_CAPTURE: Spec = {
    "amount_details": optional(free),
    "amount_to_capture": optional(integer()),
    "application_fee_amount": optional(free),
    "final_capture": optional(boolean),
    "hooks": optional(free),
    "metadata": optional(metadata),
    "payment_details": optional(free),
    "statement_descriptor": optional(string(22)),
    "statement_descriptor_suffix": optional(string(22)),
    "transfer_data": optional(free),
    **EXPAND,
}
INTENT_CANCEL: Spec = {
    "cancellation_reason": optional(enum("duplicate", "fraudulent", "requested_by_customer", "abandoned")),
    **EXPAND,
}
INTENT_LIST: Spec = {**PAGE, **CREATED, "customer": optional(string()), "customer_account": optional(string())}

_SETUP: Spec = {
    "allowed_payment_method_types": unsettable(array(string())),
    "attach_to_self": optional(boolean),
    "customer": optional(string()),
    "customer_account": optional(free),
    "description": optional(string(1000)),
    "excluded_payment_method_types": unsettable(array(string())),
    "flow_directions": unsettable(array(enum("inbound", "outbound"))),
    "metadata": optional(metadata),
    "payment_method": optional(string()),
    "payment_method_configuration": optional(free),
    "payment_method_data": optional(mapping(PAYMENT_METHOD_DATA)),
    "payment_method_options": optional(free),
    "payment_method_types": optional(array(string())),
    **EXPAND,
}
_SETTING_UP: Spec = {
    "confirmation_token": optional(string()),
    "mandate_data": optional(free),
    "return_url": optional(string()),
    "use_stripe_sdk": optional(boolean),
}
SETUP_CREATE: Spec = {
    **_SETUP,
    **_SETTING_UP,
    "automatic_payment_methods": INTENT_CREATE["automatic_payment_methods"],
    "confirm": optional(boolean),
    "on_behalf_of": optional(string()),
    "single_use": optional(free),
    "usage": optional(_FUTURE_USAGE),
}
SETUP_UPDATE = _SETUP
SETUP_CONFIRM: Spec = {
    **_SETTING_UP,
    **{name: _SETUP[name] for name in _SETUP if name.startswith("payment_method")},
    "allowed_payment_method_types": unsettable(array(string())),
    "client_secret": optional(string()),
    "expected_payment_method_type": optional(string()),
    "key": optional(string()),
    **EXPAND,
}
SETUP_CANCEL: Spec = {
    "cancellation_reason": optional(enum("abandoned", "duplicate", "requested_by_customer")),
    **EXPAND,
}
SETUP_LIST: Spec = {
    **PAGE,
    **CREATED,
    "attach_to_self": optional(boolean),
    "customer": optional(string()),
    "customer_account": optional(string()),
    "payment_method": optional(string()),
}

_CUSTOMER: Spec = {
    "address": unsettable(mapping(_ADDRESS)),
    "balance": optional(integer()),
    "business_name": unsettable(string(150)),
    "cash_balance": optional(free),
    "description": unsettable(string()),
    "email": unsettable(string(512)),
    "individual_name": unsettable(string(150)),
    "invoice_prefix": optional(string(12)),
    "invoice_settings": optional(free),
    "metadata": optional(metadata),
    "name": unsettable(string(256)),
    "next_invoice_sequence": optional(integer()),
    "phone": unsettable(string(20)),
    "preferred_locales": optional(array(string())),
    "shipping": unsettable(mapping(_SHIPPING)),
    "source": optional(string()),
    "tax": optional(free),
    "tax_exempt": unsettable(enum("none", "exempt", "reverse")),
    "validate": optional(boolean),
    **EXPAND,
}
CUSTOMER_CREATE: Spec = {
    **_CUSTOMER,
    "payment_method": optional(string()),
    "tax_id_data": optional(free),
    "test_clock": optional(free),
}
CUSTOMER_UPDATE: Spec = {**_CUSTOMER, "default_source": optional(string())}
CUSTOMER_LIST: Spec = {**PAGE, **CREATED, "email": optional(string(512)), "test_clock": optional(free)}

METHOD_CREATE: Spec = {
    **PAYMENT_METHOD_DATA,
    "customer": optional(string()),
    "payment_method": optional(string()),
    "key": optional(string()),
    **EXPAND,
}
METHOD_UPDATE: Spec = {
    "allow_redisplay": optional(enum("always", "limited", "unspecified")),
    "billing_details": optional(mapping(_BILLING)),
    "card": optional(free),
    "metadata": optional(metadata),
    "us_bank_account": optional(free),
    **EXPAND,
}
METHOD_ATTACH: Spec = {"customer": required(string()), "customer_account": optional(free), **EXPAND}
METHOD_LIST: Spec = {
    **PAGE,
    "allow_redisplay": optional(string()),
    "customer": optional(string()),
    "customer_account": optional(free),
    "type": optional(string()),
}

CHARGE_UPDATE: Spec = {
    "customer": optional(string()),
    "description": unsettable(string()),
    "fraud_details": optional(mapping({"user_report": unsettable(enum("fraudulent", "safe"))})),
    "metadata": optional(metadata),
    "receipt_email": unsettable(string()),
    "shipping": optional(mapping(_SHIPPING)),
    "transfer_group": optional(string()),
    **EXPAND,
}
CHARGE_LIST: Spec = {
    **PAGE,
    **CREATED,
    "customer": optional(string()),
    "payment_intent": optional(string()),
    "transfer_group": optional(free),
}

REFUND_CREATE: Spec = {
    "amount": optional(integer(1)),
    "charge": optional(string()),
    "payment_intent": optional(string()),
    "reason": unsettable(enum("duplicate", "fraudulent", "requested_by_customer")),
    "metadata": optional(metadata),
    "refund_application_fee": optional(boolean),
    "reverse_transfer": optional(boolean),
    "instructions_email": optional(string()),
    "currency": optional(currency),
    "customer": optional(string()),
    "origin": optional(string()),
    **EXPAND,
}
REFUND_UPDATE: Spec = {"metadata": optional(metadata), **EXPAND}
REFUND_LIST: Spec = {**PAGE, **CREATED, "charge": optional(string()), "payment_intent": optional(string())}

DISPUTE_UPDATE: Spec = {
    "evidence": optional(
        mapping(
            {
                **{name: optional(string(MAX_EVIDENCE)) for name in EVIDENCE},
                "appeal": optional(free),
                "enhanced_evidence": optional(free),
            }
        )
    ),
    "intended_submission_method": optional(enum("manual", "prefer_manual", "prefer_smart_disputes", "smart_disputes")),
    "metadata": optional(metadata),
    "submit": optional(boolean),
    **EXPAND,
}
DISPUTE_LIST: Spec = {**PAGE, **CREATED, "charge": optional(string()), "payment_intent": optional(string())}

WARNING_LIST = DISPUTE_LIST
REVIEW_LIST: Spec = {**PAGE, **CREATED}

BALANCE_LIST: Spec = {
    **PAGE,
    **CREATED,
    "currency": optional(currency),
    "payout": optional(string()),
    "source": optional(string()),
    "type": optional(string()),
}

EVENT_LIST: Spec = {
    **PAGE,
    **CREATED,
    "delivery_success": optional(boolean),
    "type": optional(string()),
    "types": optional(array(string(), 20)),
}

ENDPOINT_CREATE: Spec = {
    "url": required(string()),
    "enabled_events": required(array(string(), 1000)),
    "api_version": optional(string()),
    "connect": optional(boolean),
    "description": unsettable(string()),
    "metadata": optional(metadata),
    **EXPAND,
}
ENDPOINT_UPDATE: Spec = {
    "url": optional(string()),
    "enabled_events": optional(array(string(), 1000)),
    "description": unsettable(string()),
    "disabled": optional(boolean),
    "metadata": optional(metadata),
    **EXPAND,
}
