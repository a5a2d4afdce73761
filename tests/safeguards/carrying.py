"""Safeguards between the decisions and the world: the store, the broker, the ingress."""

from tests.safeguards.safeguard import Safeguard

STORE = "worker/adapters/store.py"
CONSUMER = "worker/adapters/consumer.py"
OUTBOX = "worker/adapters/outbox.py"
SIGNATURE = "webhook_ingress/signature.py"
WEBHOOK = "webhook_ingress/webhook.py"
STORED = "tests/conformance/store"
WORKER = "tests/unit/worker"
INGRESS = "tests/unit/webhook_ingress"

CARRYING = (
    Safeguard(
        name="compare-and-swap",
        promise="P1: of two workers that decide on the same version one is told to decide again",
        file=STORE,
        old='            key = {"_id": before.id, "order_id": before.order_id, "version": before.version}\n            try:\n',
        new='            key = {"_id": before.id, "order_id": before.order_id}\n            try:\n',
        tests=(
            f"{STORED}/test_store.py::test_a_commit_on_an_old_version_loses",
            f"{STORED}/test_store.py::test_of_many_commits_at_once_one_wins",
        ),
    ),
    Safeguard(
        name="a lost race is decided anew",
        promise="P1: a commit that was lost has not happened: load, decide again, and only then act",
        file="worker/handler.py",
        old="            if after is None and decision.payment is not None:\n"
        "                report.lost_races += 1\n                found = await load()\n                continue\n",
        new="            if after is None:\n                after = decision.payment\n",
        tests=(f"{WORKER}/test_handler_races.py::test_a_lost_race_is_decided_anew",),
    ),
    Safeguard(
        name="one insert per payment",
        promise="P1: of two creates that race for the order's next payment one reads the other's",
        file=STORE,
        old="            await self._payments.insert_one(to_document(after))\n",
        new='            await self._payments.replace_one({"_id": after.id}, to_document(after), upsert=True)\n',
        tests=(f"{STORED}/test_store.py::test_a_second_insert_of_an_id_loses",),
    ),
    Safeguard(
        name="one payment per intent",
        promise="P1: an intent belongs to one payment",
        file=STORE,
        old='[("stripe.payment_intent_id", ASCENDING)], unique=True, sparse=True',
        new='[("stripe.payment_intent_id", ASCENDING)], sparse=True',
        tests=(f"{STORED}/test_store.py::test_an_intent_belongs_to_one_payment",),
    ),
    Safeguard(
        name="unsent recompute",
        promise="P4: a mark that hides a neighbour's unsent event would lose it",
        file=STORE,
        old='            {"$set": {"unsent_at": {"$ifNull": [oldest, "$$REMOVE"]}}},\n',
        new='            {"$unset": "unsent_at"},\n',
        tests=(f"{STORED}/test_outbox.py::test_a_mark_hides_no_neighbour",),
    ),
    Safeguard(
        name="new events are unsent",
        promise="P4: an event is in the outbox from the commit that announces it",
        file="worker/adapters/documents.py",
        old='            update["$min"] = {"unsent_at": min(added)}\n',
        new="            return update\n",
        tests=(f"{STORED}/test_documents.py::test_the_changes_of_a_long_story_are_whole_rewrites",),
    ),
    Safeguard(
        name="a final refusal",
        promise="P2: a command that was refused before its payment existed is not carried out when it comes again",
        file="worker/handler.py",
        old="        if known is None:\n            return False\n        report.outcome",
        new="        if known is None or known.code:\n            return False\n        report.outcome",
        tests=(f"{WORKER}/test_handler_refusals.py::test_a_refusal_is_final_after_a_lost_ack",),
    ),
    Safeguard(
        name="the archive is asked",
        promise="P2: a duplicate is recognised although its record has moved to the archive",
        file="worker/handler.py",
        old="        if payment.archived and message_id is not None and not payment.knows(message_id):\n",
        new="        if payment.archived and message_id is None:\n",
        tests=(f"{WORKER}/test_handler_archive.py::test_a_late_duplicate_repeats_the_recorded_answer",),
    ),
    Safeguard(
        name="whose news it is",
        promise="P1: metadata is ours only as a whole; what somebody wrote in the dashboard leads to no payment",
        file="worker/adapters/inbound.py",
        old="        if event.owner.whole and event.owner.deployment == self._deployment:\n",
        new="        if event.owner.payment_id is not None:\n",
        tests=(f"{WORKER}/test_inbound.py::test_a_refund_in_the_dashboard_is_found_by_its_intent",),
    ),
    Safeguard(
        name="the books have the last word",
        promise="P2: an event of a payment that is here is not ignored because a setting is mistyped",
        file="worker/adapters/inbound.py",
        old="        if known is not None and known.deployment == owner.deployment:\n",
        new="        if known is not None and known.deployment == self._deployment:\n",
        tests=(
            f"{WORKER}/test_inbound.py::test_a_worker_with_a_mistyped_deployment_takes_what_is_in_its_books",
            f"{WORKER}/test_inbound.py::test_another_deployments_payment_of_our_id_is_ignored",
        ),
    ),
    Safeguard(
        name="ack after commit",
        promise="P2: a delivery is acked when it is applied: a worker that dies before that gets it again",
        file=CONSUMER,
        old="            async with asyncio.timeout(HANDLER_DEADLINE_S):\n                report =",
        new="            await self._ack(message)\n            async with asyncio.timeout(HANDLER_DEADLINE_S):\n"
        "                report =",
        tests=(
            f"{WORKER}/test_consumer_ways.py::test_a_delivery_is_acked_after_it_was_applied",
            f"{WORKER}/test_consumer_ways.py::test_a_cancelled_handler_settles_nothing",
        ),
    ),
    Safeguard(
        name="a move is confirmed before its ack",
        promise="P2: a message for a delay tier or the dead letters is ours to ack once the broker has it there",
        file=CONSUMER,
        old="        if published.stored is not Stored.YES:\n            story",
        new="        if published.stored not in Stored:\n            story",
        tests=(f"{WORKER}/test_consumer_ways.py::test_what_is_not_confirmed_is_not_acked",),
    ),
    Safeguard(
        name="quarantine",
        promise="P9: a message that kills its worker does not take its neighbours along",
        file=CONSUMER,
        old="        if deliveries >= SUSPICIOUS_DELIVERIES and self.name != topology.QUARANTINE_QUEUE:\n",
        new="        if deliveries < 0 and self.name != topology.QUARANTINE_QUEUE:\n",
        tests=(f"{WORKER}/test_consumer_ways.py::test_what_comes_back_too_often_is_put_apart_untried",),
    ),
    Safeguard(
        name="publisher confirm of an event",
        promise="P4: an event is marked as sent when the broker has confirmed it",
        file=OUTBOX,
        old="        return published.stored is Stored.YES\n",
        new="        return True\n",
        tests=(f"{WORKER}/test_outbox_confirms.py::test_what_is_not_confirmed_stays_in_the_outbox",),
    ),
    Safeguard(
        name="publisher confirm of a webhook",
        promise="P4: Stripe hears 200 when the broker has confirmed the event, else it sends it again",
        file=WEBHOOK,
        old="        if published.stored is Stored.YES:\n",
        new="        if published.stored in Stored:\n",
        tests=("tests/unit/fuzz/test_fuzz_webhooks.py::test_nothing_is_acknowledged_that_is_not_stored",),
    ),
    Safeguard(
        name="signature",
        promise="Rule 23: a body is Stripe's when its signature says so",
        file=SIGNATURE,
        old='    if not any(_matches(hmac.digest(secret, signed, "sha256"), signatures) for secret in secrets):\n',
        new="    if not signed:\n",
        tests=(f"{INGRESS}/test_ingress_signature.py::test_a_changed_body_is_refused",),
    ),
    Safeguard(
        name="every active secret",
        promise="Rule 23: while a secret is rotated the old and the new one verify",
        file=SIGNATURE,
        old="for secret in secrets):\n",
        new="for secret in list(secrets)[:1]):\n",
        tests=(f"{INGRESS}/test_ingress_signature.py::test_any_active_secret_verifies",),
    ),
    Safeguard(
        name="signatures grow old",
        promise="Rule 23: a recorded webhook cannot be played back later",
        file=SIGNATURE,
        old="    if age_s > TOLERANCE_S:\n        return BadSignature.TOO_OLD\n",
        new="",
        tests=(f"{INGRESS}/test_ingress_signature.py::test_the_timestamp_must_be_near",),
    ),
    Safeguard(
        name="signatures of the future",
        promise="Rule 23: a timestamp ahead of us would stay valid for as long",
        file=SIGNATURE,
        old="    if age_s < -MAX_AHEAD_S:\n        return BadSignature.IN_FUTURE\n",
        new="",
        tests=(f"{INGRESS}/test_ingress_signature.py::test_the_timestamp_must_be_near",),
    ),
    Safeguard(
        name="no empty secret",
        promise="Rule 23: an empty secret would accept anybody's signature",
        file=WEBHOOK,
        old='        assert all(secrets), "an empty secret would accept anybody\'s signature"\n',
        new="",
        tests=(f"{INGRESS}/test_ingress_webhook.py::test_an_empty_secret_is_a_bug",),
    ),
    Safeguard(
        name="bodies have an end",
        promise="Rule 23: a body is read up to a limit, however it is declared",
        file="webhook_ingress/body.py",
        old="        if size > limit_bytes:\n            return BadBody.TOO_LARGE\n",
        new="",
        tests=(f"{INGRESS}/test_ingress_webhook.py::test_a_body_in_chunks_is_counted",),
    ),
    Safeguard(
        name="redaction of dead letters",
        promise="Rule 25: nothing that has the shape of a secret is kept or shown",
        file="worker/redaction.py",
        old="        text = shape.sub(REDACTED, text)\n",
        new="        text = text if shape else REDACTED\n",
        tests=(
            "tests/unit/dead_letters/test_dead_letter_redaction.py::test_a_secret_is_known_by_its_shape",
            "tests/unit/dead_letters/test_dead_letter_redaction.py::test_no_canary_is_kept",
        ),
    ),
)
