"""The pages about the ways of money say what the code does."""

import re
from pathlib import Path

import pytest

from contracts.events import EVENTS, Case, Remedy
from contracts.generate.catalogue import messages
from contracts.queries import QUERIES
from contracts.replies import RefusalCode
from contracts.topology import TIERS
from worker import ports, settings
from worker.adapters import store, translate
from worker.domain import archive, limits, policy

DOCS = Path(__file__).parents[3] / "docs"
NAMES = ("captures", "refunds", "disputes", "late-money", "foreign-events", "retention")
PAGES = {name: (DOCS / f"{name}.md").read_text("utf-8") for name in NAMES}


def column(name: str, heading: str) -> list[str]:
    """The code words in the first column of the tables under a heading's first cells."""
    found: list[str] = []
    for table in PAGES[name].split(heading)[1:]:
        rows = table.split("\n\n", 1)[0].splitlines()[2:]
        found += [word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    """Each file that a page links to is there, and so is the heading."""
    links = re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", PAGES[name])
    for file, heading in links:
        text = (DOCS / file).read_text("utf-8") if file else PAGES[name]
        titles = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        assert not heading or heading in titles, (file, heading)


@pytest.mark.parametrize("name", NAMES)
def test_every_message_of_a_page_exists(name: str) -> None:
    """What is called `payment.something` is an event, a command or a query of ours."""
    known = {message.kind for message in messages()} | set(QUERIES) | set(EVENTS)
    named = set(re.findall(r"`((?:payment|user|customer)\.[a-z_]+)`", PAGES[name]))
    assert named - known == set()


@pytest.mark.parametrize("name", ["captures", "refunds", "disputes", "late-money"])
def test_every_refusal_of_a_page_exists(name: str) -> None:
    """The tables of refusals name codes that callers can branch on."""
    codes = column(name, "| refusal | |")
    assert codes
    assert set(codes) <= set(RefusalCode)


def test_the_page_on_late_money_has_every_case_and_its_default() -> None:
    """Each case stands there with the remedy and the setting of the worker."""
    for case, course in policy.COURSES.items():
        row = next(line for line in PAGES["late-money"].splitlines() if line.startswith(f"| `{case}` |"))
        assert [cell.strip(" `") for cell in row.split("|")[4:6]] == [course.remedy, f"POLICY_{case.name}"]
        assert f"POLICY_{case.name}" in settings.HELP
    assert set(column("late-money", "| remedy | |")) == {*Remedy, "refund<N"}
    assert len(policy.COURSES) == len(Case)
    assert f"`POLICY_ANSWER_H` ({policy.ANSWER_WITHIN.total_seconds() / 3600:g})" in PAGES["late-money"]


def test_the_page_on_foreign_events_has_the_reasons_on_record() -> None:
    """Each reason that it tells of is what the worker writes down."""
    sources = [Path(translate.__file__), Path(translate.__file__).with_name("inbound.py"), Path(ports.__file__)]
    written = "".join(source.read_text("utf-8") for source in sources)
    reasons = column("foreign-events", "| reason on record | when |")
    assert [reason for reason in reasons if f'"{reason}"' not in written] == []
    assert f"for {store.IGNORED_KEPT.days} days" in PAGES["foreign-events"]


def test_the_page_on_retention_has_the_limits() -> None:
    """Every number of the tables is the constant's."""
    text = PAGES["retention"]
    for row in (
        f"| timeline (what was handled) | the newest {archive.KEPT} |",
        f"| calls to Stripe that are settled | {archive.KEPT};",
        f"| announced events that are sent | the newest {archive.KEPT} |",
        f"| refunds | {limits.MAX_REFUNDS}, those made at Stripe included |",
        f"| declined attempts | {limits.MAX_ATTEMPTS} |",
        f"| commands that wait | {limits.MAX_OPEN_CALLS}, refunds not counted |",
        f"| disputes; late and strange money | {limits.MAX_DISPUTES} each |",
        f"| payments of an order | {limits.MAX_PAYMENTS_PER_ORDER} |",
        f"`stripe_events` | {store.IGNORED_KEPT.days} days |",
        f"`refusals` | {store.REFUSALS_KEPT.days} days |",
        f"| Stripe | {limits.ABANDONED_AFTER.days} days after its create",
        f"once it is {archive.SLACK} too long",
    ):
        assert row in text, row
    assert limits.MAX_DISPUTES == limits.MAX_CONCERNS
    assert sum(tier.delay_ms for tier in TIERS) // 60_000 == 72
    assert "after 1 h 13 min" in text


def test_the_pages_have_the_deadlines() -> None:
    """The distances to a dispute's deadline and to the end of an authorization are those that are announced."""
    seven, three, one = limits.DEADLINE_DAYS
    assert f"{seven}, {three} or {one} days away" in PAGES["disputes"]
    assert f"{limits.EXPIRY_WARNING.total_seconds() / 3600:g} hours before it is released" in PAGES["captures"]
    assert f"a payment has at most {limits.MAX_REFUNDS}" in PAGES["refunds"]
