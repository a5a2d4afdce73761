"""What a worker counts for Prometheus, read from its parts when asked. Labels are queues, outcomes and states, no ids."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    StateSetMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from contracts import topology
from contracts.transport import Stored
from worker.adapters.breaker import State
from worker.adapters.consumer import Consumer, Way
from worker.adapters.line import Line
from worker.adapters.outbox import EventOutbox
from worker.adapters.query_consumer import QueryConsumer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "payments_worker"


class WorkerMetrics(Collector):
    """The parts keep their own counts; this gives them Prometheus' shape. `page` is the text of `/metrics`."""

    def __init__(
        self,
        consumers: Sequence[Consumer],
        queries: QueryConsumer,
        outbox: EventOutbox,
        line: Line,
        paused: Callable[[], bool],
    ) -> None:
        self._consumers = consumers
        self._queries = queries
        self._outbox = outbox
        self._line = line
        self._paused = paused
        self._registry = CollectorRegistry()
        for usual in (ProcessCollector, PlatformCollector, GCCollector):
            usual(registry=self._registry)
        self._registry.register(self)

    def page(self) -> bytes:
        """Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry for every page."""
        yield from self._messages()
        yield from self._stripe()
        yield GaugeMetricFamily(
            f"{PREFIX}_database_away", "1 while consumption is paused for the database.", float(self._paused())
        )

    def _messages(self) -> Iterator[Metric]:
        settled = CounterMetricFamily(
            f"{PREFIX}_deliveries", "Deliveries by what became of them.", labels=("queue", "way")
        )
        seconds = SummaryMetricFamily(f"{PREFIX}_delivery_seconds", "From a delivery to its ack.", labels=("queue",))
        for consumer in self._consumers:
            for way in Way:
                settled.add_metric((consumer.name, way), consumer.settled[way])
            seconds.add_metric((consumer.name,), consumer.settled.total(), consumer.busy_s)
        seconds.add_metric((topology.QUERIES_QUEUE,), self._queries.answered.total(), self._queries.busy_s)
        answers = CounterMetricFamily(
            f"{PREFIX}_queries", "Queries by answer: ok, or a refusal's code.", labels=("answer",)
        )
        for answer, count in self._queries.answered.items():
            answers.add_metric((answer,), count)
        events = CounterMetricFamily(
            f"{PREFIX}_events",
            "Events by what became of their publish; unroutable: nobody has bound a queue.",
            labels=("outcome",),
        )
        for stored in Stored:
            events.add_metric((stored.value,), self._outbox.published[stored])
        yield from (settled, seconds, answers, events)

    def _stripe(self) -> Iterator[Metric]:
        budget, breaker = self._line.budget, self._line.breaker
        yield CounterMetricFamily(f"{PREFIX}_stripe_requests", "Places taken in the budget.", budget.taken)
        kept = CounterMetricFamily(
            f"{PREFIX}_stripe_kept_back", "Calls that were not sent, and wait.", labels=("reason",)
        )
        kept.add_metric(("budget",), budget.turned_away)
        kept.add_metric(("stripe_away",), breaker.kept_back)
        yield kept
        yield CounterMetricFamily(
            f"{PREFIX}_stripe_slowed_down", "Times that Stripe said: too many.", budget.slowed_down
        )
        yield GaugeMetricFamily(f"{PREFIX}_stripe_rate", "Requests a second that may go out now.", budget.rate_s)
        yield CounterMetricFamily(f"{PREFIX}_stripe_breaker_opened", "Outages of Stripe.", breaker.opened)
        states = {state.value: breaker.state is state for state in State}
        yield StateSetMetricFamily(f"{PREFIX}_stripe_breaker", "The breaker before Stripe.", states)
