"""The least code with the same outcome as a query and a create over HTTP: one process that reads the database and asks Stripe.

No limits, no checks, no broker, no idempotency, no state machine, no event, no log, nothing after a crash. It serves nothing
but the comparison.
"""

import asyncio
import json
import os
import socket
from datetime import UTC, datetime
from typing import Any

import aiohttp
import jwt
import uvicorn
import uvloop
from pymongo import AsyncMongoClient

Json = dict[str, Any]
SHOWN = ("order_id", "user_id", "status", "amount", "currency", "captured", "refunded")


async def serve(uri: str, stripe: str, key: str, secret: str) -> None:
    client: AsyncMongoClient[Json] = AsyncMongoClient(uri, tz_aware=True, w="majority", journal=True)
    payments = client.get_default_database()["payments"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def query(path: str, user: str) -> tuple[int, Json]:
            found = await payments.find_one({"_id": path.rpartition("/")[2], "user_id": user})
            assert found is not None
            return 200, {"payment_id": found["_id"], **{name: found.get(name) for name in SHOWN}}

        async def create(body: Json, user: str) -> tuple[int, Json]:
            payment = {"_id": body["order_id"], **body, "user_id": user, "status": "creating", "at": datetime.now(UTC)}
            await payments.insert_one(payment)
            form = {"amount": str(body["amount"]), "currency": body["currency"], "metadata[order_id]": body["order_id"]}
            async with session.post(
                f"{stripe}/v1/payment_intents", data=form, headers={"Idempotency-Key": body["order_id"]}
            ) as answer:
                intent = await answer.json()
            changed = {"status": intent["status"], "payment_intent_id": intent["id"]}
            await payments.update_one({"_id": body["order_id"]}, {"$set": changed})
            return 201, {"payment_id": body["order_id"], "client_secret": intent["client_secret"], **changed}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            body = (await receive())["body"]
            token = dict(scope["headers"])[b"authorization"].removeprefix(b"Bearer ")
            user = jwt.decode(token, secret, algorithms=["HS256"], audience="payments")["sub"]
            asked = create(json.loads(body), user) if scope["method"] == "POST" else query(scope["path"], user)
            status, told = await asked
            answer = json.dumps(told).encode()
            length = (b"content-length", str(len(answer)).encode())
            await send({"type": "http.response.start", "status": status, "headers": [length]})
            await send({"type": "http.response.body", "body": answer})

        config = uvicorn.Config(
            app, lifespan="off", loop="uvloop", http="httptools", log_level="warning", access_log=False
        )
        listening = socket.create_server(("127.0.0.1", 0))
        print(json.dumps({"event": "listening", "port": listening.getsockname()[1]}), flush=True)
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    names = ("MONGO_URI", "STRIPE_API_BASE", "STRIPE_SECRET_KEY", "JWT_SECRET")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(*(os.environ[name] for name in names)))
