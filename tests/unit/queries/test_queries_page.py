"""docs/queries.md says what the code does."""

import re
from pathlib import Path

from contracts import topology
from contracts.queries import QUERIES, Figures, QueryRefusalCode
from worker.adapters.query_consumer import DEADLINE_S
from worker.jobs.rollups import EVERY, OVERLAP
from worker.period import LONGEST, MOST_POINTS
from worker.queries import SCANNED_MAX

PAGE = (Path(__file__).parents[3] / "docs" / "queries.md").read_text("utf-8")


def test_the_page_has_every_query_and_its_answer() -> None:
    """The table lists exactly the registered queries, each with the answer that it names."""
    rows = re.findall(r"^\| `([a-z._]+)` \| `([a-z._]+)` \|", PAGE, re.MULTILINE)
    assert rows == [(kind, query.ANSWER.TYPE) for kind, query in QUERIES.items()]


def test_the_page_names_what_there_is() -> None:
    """Refusals, limits and figures are named as the code has them."""
    assert all(f"`{code.value}`" in PAGE for code in QueryRefusalCode)
    assert all(f"`{name}`" in PAGE for name in Figures.model_fields if not name.endswith("s") or name == "statuses")
    assert f"at most {SCANNED_MAX:,} payments" in PAGE
    assert f"more than {DEADLINE_S:g} seconds" in PAGE
    assert f"after {topology.QUERY_TTL_MS // 1000} seconds the broker drops it" in PAGE
    assert f"Every {EVERY.seconds} seconds" in PAGE
    assert f"looks {OVERLAP.seconds // 60} minutes back" in PAGE
    assert f"{LONGEST.days} days, {MOST_POINTS:,} points" in PAGE


def test_the_program_on_the_page_runs() -> None:
    """The piece of Python on the page can be executed; what needs a broker is only defined."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(program, "docs/queries.md", "exec"), names)
    assert callable(names["status_of"])
