"""The least code with the same I/O as an applied webhook: find, compare-and-swap, confirmed publish, mark sent, ack.

No state machine, no duplicates, no log, no reconnect; every event is a success. It serves nothing but the comparison.
"""

import asyncio
import json
import os
from datetime import UTC, datetime

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.uri_parser import parse_uri

PREFETCH = 40
FLUSH_S = 0.05


async def serve(url: str, uri: str) -> None:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(uri, tz_aware=True, w="majority", journal=True)
    payments = client[parse_uri(uri)["database"]]["payments"]
    consuming, publishing = await aio_pika.connect(url), await aio_pika.connect(url)
    exchange = await (await publishing.channel(on_return_raises=True)).get_exchange("payments.events", ensure=False)
    channel = await consuming.channel(publisher_confirms=False)
    await channel.set_qos(PREFETCH)
    queue = await channel.get_queue("stripe.events", ensure=False)
    sent: list[str] = []

    async def on_message(message: AbstractIncomingMessage) -> None:
        intent = json.loads(message.body)["data"]["object"]
        key = intent["metadata"]["payment_id"]
        payment = await payments.find_one({"_id": key})
        assert payment is not None
        now = datetime.now(UTC)
        fact = {"sequence": 1, "type": "payment.succeeded", "at": now, "body": {"payment_id": key, "captured": 1999}}
        result = await payments.update_one(
            {"_id": key, "order_id": payment["order_id"], "version": payment["version"]},
            {
                "$set": {"status": "succeeded", "captured": 1999, "version": 1, "updated_at": now},
                "$push": {"events": fact, "timeline": {"at": now, "message": message.message_id}},
                "$min": {"unsent_at": now},
            },
        )
        assert result.matched_count == 1
        body = json.dumps(fact | {"at": now.isoformat()}).encode()
        await exchange.publish(aio_pika.Message(body, delivery_mode=2), "payment.succeeded", mandatory=True)
        await message.ack()
        sent.append(key)

    await queue.consume(on_message)
    print(json.dumps({"event": "ready"}), flush=True)
    while True:
        await asyncio.sleep(FLUSH_S)
        batch, sent[:] = sent[:], []
        if batch:
            marks = [
                UpdateOne({"_id": key}, [{"$set": {"events.sent": True}}, {"$unset": "unsent_at"}]) for key in batch
            ]
            await payments.bulk_write(marks, ordered=False)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(os.environ["RABBITMQ_URL"], os.environ["MONGO_URI"]))
