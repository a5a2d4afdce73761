"""The simulator's storage: objects by id, in order of creation, with the look-ups and the paging that Stripe's lists have.

Objects are never changed in place: a change is a new dict under the same id. So an event can keep the object it was about
without copying it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.stripe.errors import Json, missing_resource

DEFAULT_PAGE = 10  # "limit … the default is 10"


class Table:
    """Objects of one kind. `indexed` names the fields that lists filter by."""

    def __init__(self, kind: str, url: str, indexed: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.url = url
        self._rows: dict[str, Json] = {}
        self._order: list[str] = []
        self._sequence: dict[str, int] = {}
        self._next = 0
        self._index: dict[tuple[str, str], list[str]] = {}
        self._indexed = indexed

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Json]:
        """Oldest first."""
        return iter([self._rows[key] for key in self._order])

    def put(self, row: Json) -> Json:
        """Insert, or replace the object of the same id."""
        key = row["id"]
        old = self._rows.get(key)
        self._rows[key] = row
        if old is None:
            self._sequence[key] = self._next
            self._next += 1
            self._order.append(key)
        for field in self._indexed:
            value = row.get(field)
            if value is not None and (old is None or old.get(field) != value):
                self._index.setdefault((field, value), []).append(key)
        return row

    def change(self, row: Json, **changes: Any) -> Json:
        return self.put({**row, **changes})

    def get(self, key: str | None) -> Json | None:
        return self._rows.get(key) if key is not None else None

    def need(self, key: str, param: str = "id", *, in_path: bool = False) -> Json:
        """The object, or Stripe's "No such …": 404 for an id in the path, 400 for a parameter."""
        row = self._rows.get(key)
        if row is None:
            raise missing_resource(self.kind, key, param, status=404 if in_path else 400)
        return row

    def where(self, field: str, value: str) -> list[Json]:
        """Oldest first, by an indexed field."""
        return [self._rows[key] for key in self._index.get((field, value), ()) if self._rows[key].get(field) == value]

    def drop_oldest(self, count: int) -> None:
        """Forget the first ones. Only for tables without indexes."""
        assert not self._indexed, "the index would keep the ids"
        for key in self._order[:count]:
            del self._rows[key], self._sequence[key]
        del self._order[:count]

    def remove(self, key: str) -> None:
        """Forget one. Only for tables without indexes."""
        assert not self._indexed, "the index would keep the id"
        del self._rows[key], self._sequence[key]
        self._order.remove(key)

    def count_while(self, test: Callable[[Json], bool]) -> int:
        """How many of the oldest pass the test."""
        count = 0
        for key in self._order:
            if not test(self._rows[key]):
                break
            count += 1
        return count

    def page(self, params: Json, keep: Callable[[Json], bool] | None = None) -> Json:
        """A list object: newest first, `limit`, `starting_after`, `ending_before`, `created` and the indexed filters."""
        keys = self._candidates(params)
        matches = _matcher(params, self._indexed, keep)
        limit = params.get("limit", DEFAULT_PAGE)
        if "ending_before" in params:
            start = self._position(keys, params["ending_before"], "ending_before") + 1
            rows = self._take(keys[start:], limit + 1, matches)
            data = rows[:limit][::-1]
        else:
            end = len(keys)
            if "starting_after" in params:
                end = self._position(keys, params["starting_after"], "starting_after")
            rows = self._take((keys[index] for index in range(end - 1, -1, -1)), limit + 1, matches)
            data = rows[:limit]
        return {"object": "list", "data": data, "has_more": len(rows) > limit, "url": self.url}

    def _candidates(self, params: Json) -> list[str]:
        for field in self._indexed:
            if params.get(field) is not None:
                return self._index.get((field, params[field]), [])
        return self._order

    def _position(self, keys: list[str], cursor: str, param: str) -> int:
        """Where the cursor stands among the candidates, also when it is not one of them."""
        self.need(cursor, param)
        return bisect_left(keys, self._sequence[cursor], key=self._sequence.__getitem__)

    def _take(self, keys: Any, count: int, matches: Callable[[Json], bool]) -> list[Json]:
        found: list[Json] = []
        for key in keys:
            row = self._rows[key]
            if matches(row):
                found.append(row)
                if len(found) == count:
                    break
        return found


def _matcher(params: Json, indexed: tuple[str, ...], keep: Callable[[Json], bool] | None) -> Callable[[Json], bool]:
    wanted = [(field, params[field]) for field in indexed if params.get(field) is not None]
    created = params.get("created") or {}

    def matches(row: Json) -> bool:
        at = row["created"]
        return (
            all(row.get(field) == value for field, value in wanted)
            and at > created.get("gt", -1)
            and at >= created.get("gte", 0)
            and ("lt" not in created or at < created["lt"])
            and ("lte" not in created or at <= created["lte"])
            and (keep is None or keep(row))
        )

    return matches
