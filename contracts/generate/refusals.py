"""What each refusal code means and what its receiver can do about it; shown in the AsyncAPI document and docs/messages.md."""

from contracts.replies import RefusalCode

MEANINGS: dict[RefusalCode, str] = {
    RefusalCode.INVALID: "The command breaks the contract; `field` and `message` say where and how. Fix the sender.",
    RefusalCode.ID_REUSED: "This command id was used before with another body. Use a fresh id for a new command.",
    RefusalCode.EXPIRED: "`expires_at` had passed before anything was sent to Stripe, which may have been away. "
    "Issue it anew if it is still wanted.",
    RefusalCode.UNKNOWN_PAYMENT: "There is no payment of this id.",
    RefusalCode.WRONG_STATE: (
        "The payment is in a status that does not allow this, perhaps since somebody was quicker at Stripe; the reply shows it."
    ),
    RefusalCode.UNKNOWN_CURRENCY: "Not a currency that Stripe charges.",
    RefusalCode.AMOUNT_TOO_SMALL: "Below Stripe's minimum for the currency; `message` names it.",
    RefusalCode.AMOUNT_TOO_LARGE: "Above Stripe's maximum for the currency; `message` names it.",
    RefusalCode.AMOUNT_NOT_CHARGEABLE: "Not a multiple of the currency's step: 10 for KWD, 100 for ISK.",
    RefusalCode.ORDER_HAS_PAYMENT: "The order has a live payment on other terms. Cancel it first, or pay that one.",
    RefusalCode.ORDER_CANCELED: "The order was canceled no earlier than this create was issued.",
    RefusalCode.BEING_CANCELED: "A cancel of this payment or order is under way. Wait for its event.",
    RefusalCode.TOO_MANY_PAYMENTS: "The order has used up the payments that one order may have.",
    RefusalCode.PAYMENT_FAILED: "The payment has failed for good. Create the order's next one.",
    RefusalCode.CARD_DECLINED: "The bank said no; `decline_code` says why. The customer may try again or another way.",
    RefusalCode.AUTHENTICATION_REQUIRED: "The bank wants the customer, who is not there. Bring them: repeat the create for "
    "the client secret, and let them confirm.",
    RefusalCode.NOT_CAPTURABLE: "More than is held and not captured yet; the reply shows `capturable`.",
    RefusalCode.NOT_REFUNDABLE: "More than can still be refunded: captured less refunded, reserved and disputed money; the "
    "reply shows `refundable`.",
    RefusalCode.REFUND_ID_REUSED: "This `refund_id` names a refund of another amount.",
    RefusalCode.TOO_MANY_REFUNDS: "The payment has used up the refunds that one payment may have.",
    RefusalCode.UNKNOWN_DISPUTE: "The payment has no dispute of this id.",
    RefusalCode.DISPUTE_CLOSED: "The dispute is over, or its evidence is submitted already.",
    RefusalCode.NOTHING_TO_RESOLVE: "The payment waits for nobody.",
    RefusalCode.UNKNOWN_METHOD: "The user has no such saved payment method.",
    RefusalCode.TOO_MANY_COMMANDS: "Too many commands wait on this payment or customer. Try again later.",
    RefusalCode.PROVIDER_REFUSED: "Stripe refuses this for good; `message` is its reason.",
    RefusalCode.PROVIDER_ERROR: "Stripe failed, and no money moved. The order may try again with its next payment.",
    RefusalCode.NEEDS_REVIEW: "The payment waits for a person; nothing moves its money automatically until then.",
}


def table() -> str:
    """The codes as a Markdown table."""
    rows = (f"| `{code.value}` | {meaning} |" for code, meaning in MEANINGS.items())
    return "\n".join(("| code | meaning |", "|---|---|", *rows))
