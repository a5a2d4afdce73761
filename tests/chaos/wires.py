"""The three wires of a worker, each of which can be led through a proxy."""

import os
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.chaos.tcp_proxy import LOCAL
from tests.e2e.support.service import Service

needs_time = pytest.mark.skipif(os.environ.get("CHAOS") != "1", reason="takes minutes: CHAOS=1 runs it")


class Wire(StrEnum):
    """To whom, by the name of the worker's setting."""

    BROKER = "RABBITMQ_URL"
    DATABASE = "MONGO_URI"
    STRIPE = "STRIPE_API_BASE"

    def address(self, service: Service) -> str:
        """Where it leads without a proxy."""
        return {
            Wire.BROKER: service.rabbitmq_url,
            Wire.DATABASE: service.mongo_uri,
            Wire.STRIPE: service.stripe.url,
        }[self]


def port_of(address: str) -> int:
    port = urlsplit(address).port
    assert port is not None, "a test's address names its port"
    return port


def through(address: str, port: int) -> str:
    """The same address by way of another port here."""
    place = urlsplit(address)
    login = f"{place.username}:{place.password}@" if place.username else ""
    return urlunsplit(place._replace(netloc=f"{login}{LOCAL}:{port}"))
