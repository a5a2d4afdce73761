"""Runs the sample services inside this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aio_pika.exceptions import AMQPError

from sandbox.services.notifications import NotificationService
from sandbox.services.orders import OrderService


@contextlib.asynccontextmanager
async def running(*services: OrderService | NotificationService) -> AsyncIterator[None]:
    """Consume until the block ends, then remove the queues: one that nobody reads fills the broker.

    Raises, in a group, what made a service end before.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(service.run()) for service in services]
            for service in services:
                await service.inbox.ready.wait()
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        with contextlib.suppress(AMQPError, OSError):  # a broker that is gone needs no tidying
            for service in services:
                await service.inbox.remove()
