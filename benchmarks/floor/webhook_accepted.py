"""The least code with the same I/O as an accepted webhook: read, one HMAC, a confirmed publish, 200.

No limits, no parsing, no log, no readiness, no reconnect; the routing key is fixed. It serves nothing but the comparison.
"""

import asyncio
import hmac
import json
import os
import socket
import sys
from typing import Any

import aio_pika
import uvicorn
import uvloop


async def serve(url: str, secret: bytes, exchange_name: str) -> None:
    connection = await aio_pika.connect(url)
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    exchange = await channel.get_exchange(exchange_name, ensure=False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        header = dict(scope["headers"])[b"stripe-signature"]
        timestamp, signature = header[2:].split(b",v1=")
        digest = hmac.digest(secret, timestamp + b"." + body, "sha256")
        assert hmac.compare_digest(digest, bytes.fromhex(signature.decode()))
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await exchange.publish(message, "event", mandatory=True)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    config = uvicorn.Config(
        app, lifespan="off", loop="uvloop", http="httptools", log_level="warning", access_log=False, proxy_headers=False
    )
    listening = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"event": "listening", "port": listening.getsockname()[1]}), flush=True)
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(os.environ["RABBITMQ_URL"], os.environ["STRIPE_WEBHOOK_SECRET"].encode(), sys.argv[1]))
