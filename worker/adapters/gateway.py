"""Stripe, by its official SDK. Performs calls and reads; what an answer means is decided elsewhere.

docs/reliability.md, rules 17-19: one client per event loop; 30 s a try, one retry by the SDK under the same key, 75 s for
all of it; the outcome is one of a closed set, and any exception that is not listed is *unknown*.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import stripe
import structlog

from worker.adapters.snapshots import Unreadable, decline_of, dispute_of, intent_of, owner_of, refund_of
from worker.domain.facts import Intent, Ledger, StripeProblem
from worker.domain.messages import Answer, IntentSeen, ReadFailed, Result
from worker.domain.record import Call, Operation, Payment
from worker.ports import Owner

API_VERSION = "2026-10-28.endive"
"""Pinned: objects of another version are read again in this one, never guessed (rule 21)."""

TRY_S = 30
RETRIES = 1
DEADLINE_S = 75
"""The SDK's own defaults (80 s a phase, three tries) exceed any handler's deadline (rule 19)."""

FIND_AROUND = timedelta(minutes=2)
FIND_DEADLINE_S = 240
"""For the whole search: 24,000 intents, what an account at its full 100 a second makes in four minutes, are 240 pages."""

PAGE_TRIES = 5
PAGE_PAUSE_S = 0.5
"""A page that is lost is asked for again: a search of many pages that begins anew at each fault would never end."""

MAX_PARTS = 1000
"""Refunds or disputes of one intent that are read. A payment has at most 200 refunds, and those made at Stripe come on top."""

CONFLICTS = frozenset(
    {
        "capture_charge_authorization_expired",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_expired_for_capture",
        "intent_invalid_state",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
    },
)
"""The object is not in the state that the call needs: read it and apply the truth (rule 18)."""

REFUSALS = frozenset(
    {
        None,  # many checks of Stripe's answer 400 with a message and no code: a dispute that is closed, a missing return URL
        # what was asked for
        "amount_too_large",
        "amount_too_small",
        "balance_insufficient",
        "capture_unauthorized_payment",
        "charge_exceeds_source_limit",
        "charge_exceeds_transaction_limit",
        "charge_invalid_parameter",
        "charge_not_refundable",
        "country_unsupported",
        "dispute_evidence_page_limit_exceeded",
        "email_invalid",
        "invalid_characters",
        "invalid_charge_amount",
        "livemode_mismatch",
        "parameter_invalid_empty",
        "parameter_invalid_integer",
        "parameter_invalid_string_blank",
        "parameter_invalid_string_empty",
        "parameter_missing",
        "parameter_unknown",
        "parameters_exclusive",
        "payment_intent_invalid_parameter",
        "payment_intent_rate_limit_exceeded",
        "resource_missing",
        "testmode_charges_only",
        "url_invalid",
        # who is to pay, and with what
        "account_closed",
        "acss_debit_session_incomplete",
        "authentication_required",
        "bank_account_bad_routing_numbers",
        "bank_account_declined",
        "bank_account_restricted",
        "bank_account_unusable",
        "card_decline_rate_limit_exceeded",
        "customer_max_payment_methods",
        "customer_tax_location_invalid",
        "debit_not_authorized",
        "expired_payment_method",
        "incorrect_number",
        "india_recurring_payment_mandate_canceled",
        "insufficient_funds",
        "invalid_source_usage",
        "missing",
        "no_account",
        "payment_intent_action_required",
        "payment_intent_authentication_failure",
        "payment_intent_incompatible_payment_method",
        "payment_intent_konbini_rejected_confirmation_number",
        "payment_intent_mandate_invalid",
        "payment_intent_payment_attempt_expired",
        "payment_intent_payment_attempt_failed",
        "payment_method_bank_account_already_verified",
        "payment_method_bank_account_blocked",
        "payment_method_billing_details_address_missing",
        "payment_method_currency_mismatch",
        "payment_method_customer_decline",
        "payment_method_invalid_parameter",
        "payment_method_invalid_parameter_testmode",
        "payment_method_not_available",
        "payment_method_provider_decline",
        "payment_method_provider_timeout",
        "payment_method_restricted",
        "payment_method_unactivated",
        "payment_method_unexpected_state",
        "payment_method_unsupported_type",
        "refer_to_customer",
        "token_already_used",
        "token_in_use",
    },
)
"""Definite answers that a caller can cause. Source: Stripe docs, "Error codes". Any other code waits for a person."""

MORE_THAN_IS_LEFT = frozenset({None, "amount_too_large"})
"""How Stripe refuses a refund of more than is left of a charge, beside the parameter's name: mostly without a code."""


log = structlog.get_logger()

Ask = Callable[[Any], Awaitable[stripe.ListObject[Any]]]
"""A list of Stripe's, by its parameters."""

Performed = stripe.PaymentIntent | stripe.Refund | stripe.Dispute


class StripeGateway:
    """See ports.Gateway."""

    def __init__(self, secret_key: str, api_base: str | None = None, http: stripe.AIOHTTPClient | None = None) -> None:
        self._http = http or stripe.AIOHTTPClient(timeout=TRY_S)
        self.client = stripe.StripeClient(
            secret_key,
            http_client=self._http,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=RETRIES,
            stripe_version=API_VERSION,
        )

    async def send(self, call: Call, payment: Payment, chained: int) -> Answer:
        answer = await self._answer(call, payment)
        return replace(answer, chained=chained)

    async def read(self, intent_id: str, version: int, *, for_secret: bool = False) -> IntentSeen | ReadFailed:
        del for_secret  # says when to ask, not what
        try:
            found = await self._retrieve(intent_id, expand=["latest_charge"])
            intent = intent_of(found)
            ledger = await self._ledger(intent_id) if intent.amount_received else None
        except stripe.StripeError as error:
            lost = error.http_status == 404
            return ReadFailed(reason=f"{type(error).__name__} {error.http_status or ''}".strip(), lost=lost)
        except Unreadable as error:
            return ReadFailed(reason=_told_unreadable(error, intent_id=intent_id))
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown, and a read is repeated
            return ReadFailed(reason=type(error).__name__)
        return IntentSeen(
            message_id=f"~read-{version}", event_type="read", intent=intent, version=version, ledger=ledger
        )

    async def find(self, call: Call, payment: Payment) -> Answer:
        try:
            for since, until in _windows(call.sends):
                found = await self._search(payment, since, until)
                if found is not None:
                    return Answer(call_id=call.id, result=Result.DONE, version=payment.version, intent=intent_of(found))
        except stripe.StripeError as error:
            return _refused(call, payment, error, Result.UNKNOWN)
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown, and a search is repeated
            return _unknown(call, payment, error)
        return Answer(call_id=call.id, result=Result.NOT_FOUND, version=payment.version)

    async def owner(self, intent_id: str) -> Owner | ReadFailed:
        try:
            return owner_of(await self._retrieve(intent_id))
        except stripe.StripeError as error:
            return ReadFailed(reason=type(error).__name__, lost=error.http_status == 404)
        except Exception as error:  # noqa: BLE001 - rule 18: what is not listed is unknown, and the question is repeated
            return ReadFailed(reason=type(error).__name__)

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self._http.close_async()  # type: ignore[no-untyped-call] # the SDK types only its resources

    async def _answer(self, call: Call, payment: Payment) -> Answer:
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await self._perform(call)
            said = _said(found)
        except stripe.StripeError as error:
            return _refused(call, payment, error, _result(call, error))
        except Unreadable as error:
            _told_unreadable(error, payment_id=payment.id)
            return _unknown(call, payment, error)
        except Exception as error:  # noqa: BLE001 - rule 18: any exception that is not listed is unknown
            return _unknown(call, payment, error)
        response = found.last_response
        return Answer(
            call_id=call.id,
            result=Result.DONE,
            version=payment.version,
            **said,
            request_id=response.request_id if response else None,
            replayed=_replayed(response.headers if response else None),
        )

    async def _perform(self, call: Call) -> Performed:
        stripe_api = self.client.v1
        options: Any = {"idempotency_key": call.key}
        params: Any = call.params
        match call.operation:
            case Operation.CREATE:
                return await stripe_api.payment_intents.create_async(params, options)
            case Operation.CONFIRM:
                return await stripe_api.payment_intents.confirm_async(_target(call), params, options)
            case Operation.CANCEL:
                return await stripe_api.payment_intents.cancel_async(_target(call), params, options)
            case Operation.CAPTURE:
                return await stripe_api.payment_intents.capture_async(_target(call), params, options)
            case Operation.REFUND:
                return await stripe_api.refunds.create_async(params, options)
            case Operation.EVIDENCE:
                return await stripe_api.disputes.update_async(call.about or "", params, options)
            case Operation.ACCEPT:
                return await stripe_api.disputes.close_async(call.about or "", params, options)
        raise AssertionError(call.operation)

    async def _retrieve(self, intent_id: str, **params: Any) -> dict[str, Any]:
        asked: Any = params
        async with asyncio.timeout(DEADLINE_S):
            return _json(await self.client.v1.payment_intents.retrieve_async(intent_id, asked))

    async def _ledger(self, intent_id: str) -> Ledger:
        """All refunds and disputes of an intent; of either a page of a hundred is almost always all."""
        async with asyncio.timeout(DEADLINE_S):
            refunds = await _parts(self.client.v1.refunds.list_async, intent_id)
            disputes = await _parts(self.client.v1.disputes.list_async, intent_id)
        return Ledger(tuple(map(refund_of, refunds)), tuple(map(dispute_of, disputes)))

    async def _search(self, payment: Payment, since: datetime, until: datetime) -> dict[str, Any] | None:
        """Walk the intents that Stripe made in a span of time, newest first, until ours is among them."""
        params: Any = {"created": {"gte": int(since.timestamp()), "lte": int(until.timestamp()) + 1}, "limit": 100}
        async with asyncio.timeout(FIND_DEADLINE_S):
            while True:
                page = await _page(self.client.v1.payment_intents.list_async, params)
                for found in map(_json, page.data):
                    owner = owner_of(found)
                    if (owner.payment_id, owner.deployment) == (payment.id, payment.deployment):
                        return found
                if not page.has_more or not page.data:
                    return None
                params = params | {"starting_after": page.data[-1].id}


def classify(error: stripe.StripeError) -> Result:
    """Rule 18, in one place."""
    status = error.http_status or 0
    if isinstance(error, stripe.IdempotencyError):
        return Result.KEY_MISUSED
    if isinstance(error, stripe.CardError):
        return Result.DECLINED
    if status in {401, 403, 409, 429}:
        return Result.NOT_EXECUTED
    if status >= 500:
        return Result.STORED_ERROR if _replayed(error.headers) else Result.UNKNOWN
    if isinstance(error, stripe.InvalidRequestError):
        if error.code in CONFLICTS:
            return Result.CONFLICT
        return Result.REFUSED if error.code in REFUSALS else Result.UNLISTED
    return Result.UNKNOWN


def _result(call: Call, error: stripe.StripeError) -> Result:
    """The result of a payment's call. That less is left of a charge than we know is a conflict like that nothing is left.

    Somebody has refunded at Stripe: read, and tell what can still be refunded.
    """
    result = classify(error)
    if result is Result.REFUSED and call.operation is Operation.REFUND:
        field = getattr(error, "param", None)
        return Result.CONFLICT if field == "amount" and error.code in MORE_THAN_IS_LEFT else result
    return result


def _replayed(headers: Mapping[str, str] | None) -> bool:
    """Whether Stripe repeated a stored answer (Stripe docs, "Idempotent requests")."""
    return {name.lower(): value for name, value in (headers or {}).items()}.get("idempotent-replayed") == "true"


def _refused(call: Call, payment: Payment, error: stripe.StripeError, result: Result) -> Answer:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    found = body.get("error") if isinstance(body.get("error"), dict) else {}
    assert isinstance(found, dict)
    problem = StripeProblem(
        code=error.code or (f"http_{error.http_status}" if error.http_status else type(error).__name__),
        message=error.user_message or type(error).__name__ if result is not Result.UNKNOWN else type(error).__name__,
        field=found.get("param"),
        decline=decline_of(found) if result is Result.DECLINED else None,
    )
    if result in {Result.UNKNOWN, Result.NOT_EXECUTED} and error.http_status:
        problem = StripeProblem(f"http_{error.http_status}", problem.message)
    return Answer(
        call_id=call.id,
        result=result,
        version=payment.version,
        intent=_readable(found.get("payment_intent")) if result is Result.DECLINED else None,
        problem=problem,
        request_id=error.request_id,
        replayed=_replayed(error.headers),
    )


def _readable(embedded: Any) -> Intent | None:
    """The intent that comes with an error, if it can be read; the error is definite without it."""
    try:
        return intent_of(embedded) if embedded else None
    except Unreadable:
        return None


def _told_unreadable(error: Unreadable, **of: str) -> str:
    """Stripe speaks a word that this release does not know: no repeat mends it, so whoever runs us must hear of it."""
    log.error("stripe_unreadable", reason=str(error), **of)
    return str(error)


def _unknown(call: Call, payment: Payment, error: Exception) -> Answer:
    problem = StripeProblem(type(error).__name__, "no answer that can be understood")
    return Answer(call_id=call.id, result=Result.UNKNOWN, version=payment.version, problem=problem)


async def _parts(ask: Ask, intent_id: str) -> list[dict[str, Any]]:
    """Every item of a list of an intent's. Raises OverflowError for more than any payment has."""
    params: dict[str, Any] = {"payment_intent": intent_id, "limit": 100}
    found: list[dict[str, Any]] = []
    while len(found) <= MAX_PARTS:
        page = await _page(ask, params)
        found += map(_json, page.data)
        if not page.has_more or not page.data:
            return found
        params = params | {"starting_after": page.data[-1].id}
    raise OverflowError(f"more than {MAX_PARTS} of them")


async def _page(ask: Ask, params: Any) -> stripe.ListObject[Any]:
    """One page of a list. It changes nothing at Stripe, so it is asked for again, whatever went wrong."""
    for _ in range(PAGE_TRIES - 1):
        try:
            return await ask(params)
        except Exception:  # noqa: BLE001 - rule 18 lists what an answer can be; for a page all others are "again"
            await asyncio.sleep(PAGE_PAUSE_S)
    return await ask(params)


def _said(found: Performed) -> dict[str, Any]:
    """What an answer tells of: an intent, a refund or a dispute. Raises Unreadable."""
    if isinstance(found, stripe.Refund):
        return {"refund": refund_of(_json(found))}
    if isinstance(found, stripe.Dispute):
        return {"dispute": dispute_of(_json(found))}
    return {"intent": intent_of(_json(found))}


def _target(call: Call) -> str:
    assert call.intent_id is not None, "a call that moves money addresses a stored id"
    return call.intent_id


def _windows(sends: tuple[datetime, ...]) -> Iterator[tuple[datetime, datetime]]:
    """The time around each send, overlapping ones as one."""
    since, until = sends[0] - FIND_AROUND, sends[0] + FIND_AROUND
    for moment in sends[1:]:
        if moment - FIND_AROUND > until:
            yield since, until
            since = moment - FIND_AROUND
        until = moment + FIND_AROUND
    yield since, until


def _json(found: stripe.StripeObject) -> dict[str, Any]:
    return found.to_dict()
