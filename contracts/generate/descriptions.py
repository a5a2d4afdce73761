"""What each field means, for readers of the generated schemas. A field without an entry here fails a test."""

from contracts.envelope import MAX_FUTURE_S

MINOR_UNITS = (
    "Whole minor units of `currency` as Stripe counts them (1999 is 19.99 EUR, 500 is 500 JPY; see currencies.json)."
)

FIELDS: dict[str, str] = {
    # Envelope: CloudEvents 1.0.2 and its extensions.
    "Envelope.specversion": "The CloudEvents version.",
    "Envelope.id": "The logical id. A repeat of the same message carries the same one: dedupe by it. For a command it is "
    "the command id, chosen by its sender and unique for it.",
    "Envelope.source": "The service that wrote the message.",
    "Envelope.type": "The message's type, which is also its routing key.",
    "Envelope.subject": "What it is about; in events the payment id.",
    "Envelope.time": "When it was issued, in RFC 3339 with an offset. Payments refuses a command from more than "
    f"{MAX_FUTURE_S // 60} minutes ahead.",
    "Envelope.datacontenttype": "The media type of `data`.",
    "Envelope.dataschema": "Names type and version of `data`, and so the file that describes it. Without it the newest "
    "version is assumed.",
    "Envelope.sequence": "In events: the place in the payment's story, ten digits, so that text sorts as numbers do.",
    "Envelope.correlationid": "Follows one business operation through all services; copied from the command.",
    "Envelope.causationid": "The id of the message that led to this one.",
    "Envelope.traceparent": "W3C Trace Context.",
    "Envelope.data": "The body, described by the schema of its type.",
    # Commands.
    "order_id": "The order that is paid, in its owner's words.",
    "user_id": "Who pays, in their owner's words.",
    "amount": MINOR_UNITS,
    "currency": "ISO 4217 code; upper or lower case in commands, always lower case in what payments sends.",
    "capture_method": "Whether the money is taken at once or held for a later capture.",
    "description": "Shown at Stripe beside the payment.",
    "metadata": "The caller's own notes, kept at Stripe. No secrets, no card data.",
    "expires_at": "After this moment the command is refused as `expired` instead of being carried out late. Default: never.",
    "payment_id": "`pay_{hash of the order id}_{n}`, given by payments: the order's n-th payment.",
    "multicapture": "Ask for an authorization that can be captured several times; needs `capture_method: manual`.",
    "use_customer": "Tie the payment to its user's Stripe customer, so that a saved payment method can pay it.",
    "setup_future_usage": "Save the payment method that pays, for charges with or without the customer being there.",
    "receipt_email": "Where Stripe sends its receipt. Goes to Stripe and is kept nowhere else.",
    "off_session": "The customer is not there: charge a saved payment method.",
    "requested_by": "Who asked for it, in the caller's words. Kept beside the payment, never announced.",
    "note": "Why, for people. Kept beside the payment, never announced.",
    "CapturePayment.amount": f"How much to take; default: all that is held. {MINOR_UNITS}",
    "final": "Whether what this capture leaves is released. `false` needs `multicapture`.",
    "RefundPayment.amount": f"How much to give back; default: all that can be refunded. {MINOR_UNITS}",
    "RefundPayment.reason": "Why, as Stripe records it.",
    "refund_id": "The refund's name, chosen by the caller and unique within the payment; one refund is made for it. For a "
    "refund that was made at Stripe it is Stripe's id.",
    "dispute_id": "Stripe's id of the dispute, `dp_...` or `du_...`.",
    "evidence": "Texts by Stripe's names for them. They go to Stripe and are kept here only until it has them.",
    "submit": "Whether the evidence goes to the bank now, for good, or is only saved at Stripe.",
    "decision": "`keep` the money, or `refund` all that can be refunded.",
    "usage": "Whether the customer will be there when the method is charged.",
    "payment_method": "Stripe's id of the payment method that the customer chose, `pm_...`.",
    "return_url": "Where a 3-D Secure or bank page sends the customer back to.",
    "CancelPayment.payment_id": "The payment to give up. Exactly one of `payment_id` and `order_id` is given.",
    "CancelPayment.order_id": "The order whose payment to give up, even one whose create has not arrived yet. Exactly one of "
    "`payment_id` and `order_id` is given.",
    "CancelPayment.reason": "Why, as Stripe records it.",
    # A payment, in replies and events.
    "deployment": "Which installation of payments this is; several may share one Stripe account.",
    "status": "As people read it: a succeeded payment shows as (partially) refunded by its totals.",
    "captured": f"Money taken so far. {MINOR_UNITS}",
    "refunded": f"Money given back so far. {MINOR_UNITS}",
    "disputed": f"Money that is under dispute or lost to one. {MINOR_UNITS}",
    "reserved": f"Refunds that Stripe has not finished yet. {MINOR_UNITS}",
    "refundable": f"What can still be refunded: captured less refunded, reserved and disputed. {MINOR_UNITS}",
    "capturable": f"Money that is held and can still be captured. {MINOR_UNITS}",
    "capture_before": "When the held money is released unless it is captured.",
    "receipt_url": "Stripe's receipt, for the customer.",
    "payment_intent_id": "Stripe's id of the payment, once it has one.",
    "needs_review": "Why a person must look at this payment; absent when nobody must.",
    "created_at": "When the payment was opened.",
    "updated_at": "When it last changed.",
    # Events.
    "sequence": "The event's place in the payment's story: 1, 2, 3, without gaps.",
    "occurred_at": "When the change happened.",
    "action": "What the customer must do: Stripe's `next_action.type`.",
    "reason": "Why, in one word.",
    "attempt": "The attempt that failed.",
    "case": "What is strange about the money.",
    "remedy": "What the policy does about it.",
    "answer_by": "Until when `payment.resolve` is waited for, where the remedy is `ask`.",
    "days_left": "The announced distance to the deadline: 7, 3 or 1.",
    "warning_id": "Stripe's id of the early fraud warning.",
    "fraud_type": "The card network's name for the fraud.",
    "review_id": "Stripe's id of the review.",
    "refund": "The refund that this is about.",
    "dispute": "The dispute that this is about.",
    # A refund, a dispute.
    "RefundView.amount": MINOR_UNITS,
    "RefundView.status": "How far it is. `requested`: Stripe has not answered yet.",
    "stripe_refund_id": "Stripe's id of it, once it has one.",
    "failure_reason": "Why it failed: Stripe's `failure_reason`, or the refusal's name.",
    "made_at_stripe": "Made at Stripe, in its dashboard for example, not by a command.",
    "RefundView.at": "When it was asked for.",
    "DisputeView.amount": MINOR_UNITS,
    "DisputeView.status": "Stripe's status of it.",
    "DisputeView.at": "When it was opened here.",
    "funds": "Whether the money has left the balance, and come back.",
    "evidence_due_by": "The last moment at which Stripe takes evidence.",
    "evidence_submitted": "Whether evidence has gone to the bank.",
    # A customer.
    "customer": "The user's saved payment methods.",
    "methods": "Saved payment methods, the newest first.",
    "MethodView.type": "Stripe's type of the payment method: card, sepa_debit ...",
    "brand": "The card's brand, for a card.",
    "last4": "The last four digits, where there are some.",
    "expires": "Month and year, `MM/YYYY`, for a card.",
    "default": "Whether the next charge takes it.",
    "erased": "How many payments were erased, in the answer to `user.erase`.",
    # An attempt.
    "attempt_id": "Stripe's charge id, or an id of ours when Stripe made no charge.",
    "outcome": "What became of it.",
    "code": "Stripe's error code.",
    "decline_code": "The bank's reason as Stripe names it, for a declined card.",
    "Attempt.message": "Stripe's sentence about it, for people.",
    "can_retry": "Whether the customer may try again with this payment.",
    "payment_method_type": "Stripe's type of the payment method: card, sepa_debit ...",
    "at": "When it happened.",
    # The reply.
    "command_id": "The id of the command that this answers.",
    "verdict": "accepted: done. pending: stored, it will be done, the events tell. refused: not done and never will be.",
    "payment": "The payment as it is now, where there is one.",
    "client_secret": "SECRET. Lets a browser pay this payment. For the requester's customer alone: never log or store it.",
    "next_action": "What the customer must do before the payment can succeed.",
    "refusal": "Why the command is refused; present exactly when `verdict` is refused.",
    "Refusal.code": "The refusal's name, stable: branch on it. Treat one that you do not know as a refusal.",
    "Refusal.message": "One sentence for people.",
    "Refusal.field": "Dotted path of the field at fault, when one is: `data.amount`.",
    "NextAction.type": "Stripe's `next_action.type`.",
    "NextAction.redirect_url": "Where to send the customer, for a redirect.",
}


def describe(model: str, field: str) -> str | None:
    """The text for a field of a model, or else for every field of that name."""
    return FIELDS.get(f"{model}.{field}", FIELDS.get(field))
