"""The prose of the AsyncAPI document: what a developer must know who has nothing else."""

from collections.abc import Iterable

from contracts import topology
from contracts.client import REPLY_TO
from contracts.commands import PRIVILEGED_COMMANDS
from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES, MAX_FUTURE_S
from contracts.generate import refusals


def _listed(kinds: Iterable[str]) -> str:
    *first, last = (f"`{kind}`" for kind in kinds)
    return f"{', '.join(first)} and {last}"


OVERVIEW = f"""\
Payments behind a message broker (RabbitMQ 3.10 or newer, AMQP 0-9-1). Other services send commands and subscribe to events;
what was asked is answered to the requester alone.

The operations below are payments' own: what it *receives* you send, what it *sends* you receive.

## Every message
- The body is a CloudEvents 1.0 envelope in structured JSON, content type `{CONTENT_TYPE}`, UTF-8, at most
  {MAX_BODY_BYTES} bytes. `data` is described by the schema that `dataschema` names: `urn:payments:TYPE:vN` is the file
  `TYPE.vN.json`.
- A field without a value is left out, never null. Commands refuse fields that they do not know; in everything that payments
  sends, ignore fields and enum values that you do not know, because some will be added.
- What is described as headers is AMQP's basic properties (`message-id`, `correlation-id`, `reply-to`, `type`,
  `content-type`, `delivery-mode`). Payments reads nothing from the headers table.
- Amounts are whole minor units as Stripe counts them; `currencies.json` has every currency's exponent, step and limits.

## Sending a command
1. Open a channel with publisher confirms. To be answered, consume `{REPLY_TO}` **on that same channel** without
   acknowledgements, before you publish (RabbitMQ's direct reply-to).
2. Publish to the command's exchange under its type as routing key: mandatory, delivery mode 2, `reply-to` = `{REPLY_TO}`,
   `correlation-id` and `message-id` fresh for **every publish**. The exchange is `{topology.COMMANDS}`, or
   `{topology.PRIVILEGED}` for {_listed(PRIVILEGED_COMMANDS)}: a broker login needs
   the right to write there. Each command is refused on the other's exchange.
3. Wait for the broker's ack. Returned or nacked: it is not stored. No confirm, or the connection broke: unknown.
4. Wait for the reply with your `correlation-id`; 30 seconds are enough for most.

The envelope's `id` is the command id. It is carried out once, however often it is sent: after an unknown outcome, or without
a reply, send the same body under the same `id` again. A repeat is answered with the recorded result. The same `id` with
another body is refused as `id_reused`. Without a reply the command is still carried out, unless `expires_at` has passed
first; the events tell.

`time` is when the command was issued. A cancel of an order refuses a create issued no later than it, in whatever order the
two arrive; so take the time from a clock that is right, at most {MAX_FUTURE_S // 60} minutes ahead of payments'.

## Replies
`verdict` is `accepted` (done), `pending` (stored and will be done) or `refused` (not done and never will be; `refusal.code`
says why).
Beside it stand the payment, refund, dispute or customer that the command was about, as they are now.
Only the reply carries `client_secret`. Replies are best effort: one that cannot be delivered is dropped.

{refusals.table()}

## Queries
Ask on the exchange `{topology.QUERIES}`, just as a command is sent. The answer's type says which it is: the query's own, or
`query.refused` with a `code`: `not_found` (also what belongs to another than the `viewer`), `invalid` (`field` and
`message` say where and how) or `unavailable` (ask again later). Nothing changes by asking, and nothing is kept: a query that is
not taken within {topology.QUERY_TTL_MS // 1000} seconds is dropped.

## Events
- Declare a queue of your own and bind it to `{topology.EVENTS}` (see the channel `subscriber` for the arguments); events that
  were published before your queue was bound do not come.
- They come **at least once and in any order**. Dedupe by the envelope's `id` (`PAYMENT_ID.SEQUENCE`, the same in every
  repeat), in the transaction that does the work. Never skip an event because a higher `sequence` was seen: each carries a
  fact of its own. Never let an older one overwrite a newer state.
- Each carries the payment as it was right after the change, with all totals. Compare amount and currency with your order
  before you ship.
- A refund that succeeded can still fail: `payment.refund_failed` may follow `payment.refunded` for the same `refund_id`.
- What comes and goes at Stripe (`payment.requires_action`, `payment.processing`, `payment.refund_updated`) is left out when
  it was over before payments heard of it. Do not wait for one of them.
- Acknowledge after your own commit. No event holds a secret or an e-mail address.

## What payments does with what it cannot use
A message that cannot be read goes to the dead letters at once, and is refused by reply. One that could not be applied (the
database is away) waits in a delay queue and comes back, for about 1 h 13 min in all. A command that Stripe's outage holds up
is `pending` and kept in the database. These queues are shown below as `x-internal`: they are payments' own, not for others.
"""

SUBSCRIBER = """\
A queue of your own for events, for example `orders.payment-events`, bound to the exchange of the events by the patterns you
want (`payment.#` is all). Declare it with exactly these arguments: quorum and durable, so that it survives; a full queue
refuses rather than drops; the explicit delivery limit, because RabbitMQ 4 drops a message after 20 deliveries without one."""
