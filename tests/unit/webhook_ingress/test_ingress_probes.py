"""Health, readiness, and what the router refuses."""

import pytest

from tests.ingress_requests import WEBHOOK_PATH, event_body
from tests.unit.webhook_ingress.asgi import FakeLink, FakeStore, Ingress


async def test_health_says_who_lives() -> None:
    """Health is 200 with the name and version, whatever the broker does."""
    answer = await Ingress(link=FakeLink(connected=False)).get("/health")
    assert answer.status == 200
    assert answer.json()["name"] == "payments-ingress"
    assert answer.json()["version"] == "1.2.3"
    assert answer.json()["uptime_s"] >= 0


async def test_ready_when_the_broker_confirms() -> None:
    """A connected broker that confirms makes the process ready."""
    answer = await Ingress().get("/ready")
    assert (answer.status, answer.json()) == (200, {"ready": True})


@pytest.mark.parametrize(
    ("link", "draining", "code"),
    [
        (FakeLink(connected=False), False, "broker_away"),
        (FakeLink(opened=False), False, "broker_away"),
        (FakeLink(answers=False), False, "broker_silent"),
        (FakeLink(), True, "draining"),
    ],
)
async def test_not_ready_has_a_reason(link: FakeLink, draining: bool, code: str) -> None:
    """Without a broker, under an alarm and while stopping the process says that it is not ready, and why."""
    answer = await Ingress(link=link, draining=draining).get("/ready")
    assert (answer.status, answer.json()["code"]) == (503, code)


@pytest.mark.parametrize("path", ["/", "/health/", "/api/payments", "/docs/"])
async def test_an_unknown_path_is_a_problem(path: str) -> None:
    """There is nothing else to find, and no redirect to guess at."""
    answer = await Ingress().get(path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert answer.headers[b"content-type"] == b"application/problem+json"


@pytest.mark.parametrize(("method", "path"), [("GET", WEBHOOK_PATH), ("PUT", WEBHOOK_PATH), ("POST", "/health")])
async def test_a_wrong_method_is_a_problem(method: str, path: str) -> None:
    """A known path with another method names those that it takes."""
    answer = await Ingress().get(path, method)
    assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers[b"allow"]


async def test_head_is_enough_for_health() -> None:
    """A probe may leave the body out."""
    assert (await Ingress().get("/health", "HEAD")).status == 200


class BrokenStore(FakeStore):
    async def publish(self, *arguments: object, **more: object) -> None:  # type: ignore[override]
        raise ZeroDivisionError(arguments, more)


async def test_a_bug_is_a_500_that_says_nothing() -> None:
    """A programmer's error is answered without its words and goes on to whoever logs it."""
    ingress = Ingress(BrokenStore())
    with pytest.raises(ZeroDivisionError):
        await ingress.post(event_body())
    assert ingress.lines[-1]["status"] == 500


async def test_successful_probes_are_quiet() -> None:
    """A good probe is a DEBUG line; a failed one is an INFO line."""
    ingress = Ingress()
    await ingress.get("/ready")
    ingress.draining = True
    await ingress.get("/ready")
    assert [line["level"] for line in ingress.lines] == ["debug", "info"]
