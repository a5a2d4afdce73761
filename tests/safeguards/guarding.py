"""Safeguards of who may ask, how much, and what is believed of what comes from outside."""

from tests.safeguards.safeguard import Safeguard

AUTH = "webhook_ingress/auth.py"
BUDGET = "worker/adapters/budget.py"
BREAKER = "worker/adapters/breaker.py"
TRANSLATE = "worker/adapters/translate.py"
INGRESS = "tests/unit/webhook_ingress"
BUDGETED = "tests/unit/budget"
WORKER = "tests/unit/worker"

GUARDING = (
    Safeguard(
        name="a token's signature",
        promise="docs/http.md: nobody is known by a token that our keys did not sign",
        file=AUTH,
        old="            options=_OPTIONS,\n",
        new='            options=_OPTIONS | {"verify_signature": False},\n',
        tests=(f"{INGRESS}/test_ingress_tokens.py::test_a_forged_token_is_refused",),
    ),
    Safeguard(
        name="a token's claims",
        promise="docs/http.md: a token that has expired, or is meant for somebody else, is refused",
        file=AUTH,
        old='_OPTIONS: Any = {"require": ["exp", "sub", "iss", "aud"]}\n',
        new='_OPTIONS: Any = {"verify_exp": False, "verify_iss": False, "verify_aud": False}\n',
        tests=(f"{INGRESS}/test_ingress_tokens.py::test_a_claim_that_is_wrong_is_told",),
    ),
    Safeguard(
        name="one Authorization header",
        promise="docs/http.md: two headers could be read differently by a proxy in front of us",
        file=AUTH,
        old="    if len(found) > 1:\n",
        new="    if len(found) > 9:\n",
        tests=(f"{INGRESS}/test_ingress_tokens.py::test_only_one_header_may_name_a_user",),
    ),
    Safeguard(
        name="administrators' routes",
        promise="docs/http.md: money is moved by administrators",
        file="webhook_ingress/api/gate.py",
        old="        if endpoint.admin and not caller.admin:\n",
        new="        if endpoint.admin and not caller.subject:\n",
        tests=(f"{INGRESS}/test_ingress_matrix.py::test_who_may_do_what",),
    ),
    Safeguard(
        name="users see their own",
        promise="Rule 25: a user's queries are about the user's payments, whatever they ask for",
        file=AUTH,
        old="        return None if self.admin else self.subject\n",
        new="        return None\n",
        tests=(f"{INGRESS}/test_ingress_matrix.py::test_a_user_is_always_the_viewer",),
    ),
    Safeguard(
        name="bad signatures are counted",
        promise="Rule 23: who tries signatures is stopped, and sound ones never are",
        file="webhook_ingress/webhook.py",
        old="        if allowance.allowed:\n",
        new="        if allowance.limit:\n",
        tests=(f"{INGRESS}/test_ingress_limits.py::test_failed_signatures_are_counted_and_sound_ones_never_are",),
    ),
    Safeguard(
        name="too many requests slow us down",
        promise="Rule 18: a 429 of Stripe's slows us down",
        file=BUDGET,
        old="        self._pace_s = max(self._least_s, self._pace_s - PER_REFUSAL)\n",
        new="",
        tests=(f"{BUDGETED}/test_budget.py::test_a_second_of_refusals_halves_the_rate_and_it_comes_back",),
    ),
    Safeguard(
        name="a crowd is refused as one",
        promise="Rule 18: a worker whose crowd was refused goes on at half of its rate",
        file=BUDGET,
        old="        self._pace_s = max(self._least_s, self._pace_s - PER_REFUSAL)\n",
        new="        self._pace_s = max(0.001, self._pace_s - PER_REFUSAL)\n",
        tests=(
            f"{BUDGETED}/test_budget.py::test_a_second_of_refusals_halves_the_rate_and_it_comes_back",
            f"{BUDGETED}/test_budget.py::test_the_rate_never_falls_to_nothing",
        ),
    ),
    Safeguard(
        name="Retry-After",
        promise="Rule 20: while Stripe asks for silence nothing is sent",
        file=BUDGET,
        old="        self._paused_until = max(self._paused_until, now + _retry_after_s(headers))\n",
        new="",
        tests=(f"{BUDGETED}/test_budget.py::test_retry_after_is_obeyed",),
    ),
    Safeguard(
        name="money goes first",
        promise="Rule 20: of those who wait for a place a capture goes before a read",
        file=BUDGET,
        old="        heapq.heappush(self._waiting, (priority, self._arrivals, turn))\n",
        new="        heapq.heappush(self._waiting, (Priority.READ, self._arrivals, turn))\n",
        tests=(f"{BUDGETED}/test_budget.py::test_money_goes_first",),
    ),
    Safeguard(
        name="breaker",
        promise="P8: while Stripe is down calls wait in their documents",
        file=BREAKER,
        old="        elif self.state is State.CLOSED and self._failures >= self._threshold:\n",
        new="        elif self.state is State.CLOSED and self._failures < 0:\n",
        tests=(f"{BUDGETED}/test_breaker.py::test_it_opens_after_so_many_failures_in_a_row",),
    ),
    Safeguard(
        name="one probe at a time",
        promise="Rule 20: one call finds out whether Stripe is back",
        file=BREAKER,
        old="        return self.state is State.CLOSED or (self.state is State.OPEN and due)\n",
        new="        return self.state is State.CLOSED or due or self._clock() >= self._probe_at\n",
        tests=(f"{BUDGETED}/test_breaker.py::test_one_probe_at_a_time",),
    ),
    Safeguard(
        name="the other mode's events",
        promise="Rule 24: an event of another livemode than our key's moves nothing",
        file=TRANSLATE,
        old='    if bool(found.get("livemode")) is not livemode:\n',
        new='    if bool(found.get("livemode")) is None:\n',
        tests=(f"{WORKER}/test_translate.py::test_what_is_not_for_us_is_ignored",),
    ),
    Safeguard(
        name="another account's events",
        promise="Rule 24: an event of a connected account moves nothing",
        file=TRANSLATE,
        old='    if found.get("account"):\n        return "another account\'s: a connected account\'s event"\n',
        new="",
        tests=(
            f"{WORKER}/test_translate_money.py::test_what_is_not_for_us_is_ignored",
            f"{WORKER}/test_translate.py::test_what_is_not_for_us_is_ignored",
        ),
    ),
    Safeguard(
        name="events in other words",
        promise="Rule 21: a payload of another API version is read again, not guessed",
        file=TRANSLATE,
        old='    if found.get("api_version") != API_VERSION:\n        return event(changed)\n',
        new="",
        tests=(f"{WORKER}/test_translate.py::test_other_words_are_to_be_read",),
    ),
    Safeguard(
        name="open calls are never archived",
        promise="P2: what is still to be done stays in the document",
        file="worker/domain/archive.py",
        old="    return not call.open and call.operation",
        new="    return call.operation",
        tests=(f"{WORKER}/test_core_archive.py::test_open_calls_never_leave",),
    ),
    Safeguard(
        name="unsent events are never archived",
        promise="P4: the outbox stays in the document",
        file="worker/domain/archive.py",
        old="takewhile(lambda event: event.sent, ",
        new="takewhile(lambda event: event.type, ",
        tests=(f"{WORKER}/test_core_archive.py::test_unsent_events_never_leave",),
    ),
    Safeguard(
        name="amounts are whole numbers",
        promise="P1: an amount that some script has stored as a double is refused, not rounded",
        file="worker/adapters/documents.py",
        old="    if isinstance(value, bool) or not isinstance(value, int):\n",
        new="    if value is None:\n",
        tests=("tests/conformance/store/test_documents.py::test_an_amount_that_is_no_whole_number_is_refused",),
    ),
    Safeguard(
        name="secrets are not logged",
        promise="Rule 25: a field that is named like a secret is not written into a log, whoever puts it there",
        file="worker/ops/logs.py",
        old="            _without_secrets,\n",
        new="",
        tests=(f"{WORKER}/test_ops_logs.py::test_a_field_that_is_named_like_a_secret_is_not_logged",),
    ),
    Safeguard(
        name="key age of a customer's call",
        promise="P8: of customers, too, a key that Stripe may have forgotten is never sent again",
        file="worker/domain/customers/calls.py",
        old="    old = step.now - head.sends[0] >= limits.KEY_LIFETIME\n",
        new="    old = not head.sends\n",
        tests=("tests/unit/customers/test_customer_story.py::test_an_old_key_is_never_sent_again",),
    ),
)
