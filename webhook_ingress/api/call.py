"""One request whose sender is known: what it says, and what it needs to be carried out."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel
from pydantic_core import from_json

from contracts.commands import Command
from contracts.queries import Answered, Query, QueryRefusal
from contracts.replies import Reply
from webhook_ingress import problems
from webhook_ingress.api.command_id import command_id
from webhook_ingress.api.form import Form
from webhook_ingress.auth import Caller
from webhook_ingress.line import Unanswered
from webhook_ingress.logs import Fields
from webhook_ingress.problems import Problem

JSON_TYPE = "application/json"
MAX_PARAMETERS = 40
KEY_HEADER = b"idempotency-key"

_KEY = re.compile(rb"[\x21-\x7e]{1,255}", re.ASCII)
BAD_KEY = problems.bad_request(
    "idempotency_key_malformed", "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters."
)
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class Workers(Protocol):
    """Who carries out commands and answers queries."""

    async def send(
        self, command: Command, *, command_id: str, correlation_id: str, traceparent: str, deadline: float
    ) -> Reply | Unanswered: ...

    async def ask(
        self, query: Query[Answered], *, correlation_id: str, traceparent: str, deadline: float
    ) -> Answered | QueryRefusal | Unanswered: ...


@dataclass(frozen=True)
class Call:
    """`path` are the parts of the path by name, `deadline` is in the event loop's time, `line` the request's log line."""

    workers: Workers
    caller: Caller
    path: Mapping[str, str]
    query_string: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    correlation_id: str
    traceparent: str
    deadline: float
    line: Fields

    def command_id(self, route: str, target: str) -> str | Problem:
        """The command's id, by the Idempotency-Key if there is one."""
        found = [value for name, value in self.headers if name == KEY_HEADER]
        if not found:
            return command_id(self.caller, route, target, None)
        if len(found) > 1 or not _KEY.fullmatch(found[0]):
            return BAD_KEY
        return command_id(self.caller, route, target, found[0].decode("ascii"))

    def read_body(self, form: Form[Model], **filled: Any) -> Model | Problem:
        """The body as this form's model. No body is an empty object."""
        given = self._given()
        return given if isinstance(given, Problem) else form.read(given, filled)

    def read_query(self, form: Form[Model], **filled: Any) -> Model | Problem:
        """The query string as this form's model. A list is a name given more than once."""
        try:
            pairs = parse_qsl(
                self.query_string.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(self.query_string),
                errors="strict",
                max_num_fields=MAX_PARAMETERS,
            )
        except ValueError:
            return problems.bad_request("query_malformed", "The query string cannot be read.")
        given: Json = {}
        for name, text in pairs:
            kind = form.kind(name)
            if kind == "array":
                given.setdefault(name, []).append(text)
            elif name in given:
                return problems.invalid("Given more than once", name[:128])
            else:
                given[name] = int(text) if kind == "integer" and _INTEGER.fullmatch(text) else text
        return form.read(given, filled)

    async def send(self, command: Command, command_id: str) -> Reply | Unanswered:
        return await self.workers.send(
            command,
            command_id=command_id,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
            deadline=self.deadline,
        )

    async def ask(self, query: Query[Answered]) -> Answered | QueryRefusal | Unanswered:
        return await self.workers.ask(
            query, correlation_id=self.correlation_id, traceparent=self.traceparent, deadline=self.deadline
        )

    def _given(self) -> Json | Problem:
        if not self.body:
            return {}
        if self._content_type() != JSON_TYPE:
            return Problem(415, "not_json", f"The body must be {JSON_TYPE}.")
        try:
            given = from_json(self.body, allow_inf_nan=False, cache_strings="none")
        except ValueError:
            return problems.bad_request("body_not_json", "The body is no JSON.")
        if not isinstance(given, dict):
            return problems.invalid("The body must be a JSON object", None)
        return given

    def _content_type(self) -> str:
        found = next((value for name, value in self.headers if name == b"content-type"), b"")
        return found.decode("latin-1").partition(";")[0].strip().lower()


def deadline_in(seconds: float) -> float:
    """A moment in the running loop's time."""
    return asyncio.get_running_loop().time() + seconds
