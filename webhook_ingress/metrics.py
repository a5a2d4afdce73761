"""What is counted for Prometheus. Labels are routes, codes and kinds: nothing that names a person or a payment."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import Response

from webhook_ingress.logs import OTHER

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})


class Metrics:
    """The counters of one process. `connected` tells whether there is a broker."""

    def __init__(self, connected: Callable[[], bool]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._requests = Counter(
            "payments_ingress_requests_total",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "payments_ingress_request_seconds",
            "From the request's head to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._outcomes = Counter(
            "payments_ingress_outcomes_total",
            "What became of requests: why one was refused, or how a command or query was answered.",
            ("route", "outcome"),
            registry=self._registry,
        )
        broker = Gauge("payments_ingress_broker_connected", "1 while there is a broker.", registry=self._registry)
        broker.set_function(lambda: float(connected()))

    def request(self, route: str, method: str, status: int | None, seconds: float, outcome: str | None) -> None:
        """Count one request. No status: it was broken off."""
        known = method if method in METHODS else OTHER
        self._requests.labels(route, known, str(status or "none")).inc()
        self._seconds.labels(route).observe(seconds)
        if outcome is not None:
            self._outcomes.labels(route, outcome).inc()

    async def page(self, _: Request) -> Response:
        """GET /metrics."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE)
