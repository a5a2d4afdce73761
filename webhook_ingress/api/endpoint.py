"""One route, as data: the router, the gate and the OpenAPI document are all made from it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from webhook_ingress.api.call import Call
from webhook_ingress.api.form import Form
from webhook_ingress.api.ids import Ids
from webhook_ingress.settings import Group

Handle = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Answer:
    """A success: what it means, its model, and whether it says where to look."""

    meaning: str
    model: type[BaseModel]
    location: bool = False


@dataclass(frozen=True)
class Endpoint:
    """`path` as OpenAPI writes it. `ids` are what its parts must be: what does not fit is not there.

    `example` is a body or the parameters of a query string.
    """

    method: str
    path: str
    group: Group
    summary: str
    handle: Handle
    answers: Mapping[int, Answer]
    about: str = ""
    ids: Ids = field(default_factory=dict)
    body: Form[Any] | None = None
    example: Mapping[str, Any] = field(default_factory=dict)
    query: Form[Any] | None = None
    sensitive: bool = False
    keyed: bool = False

    @property
    def admin(self) -> bool:
        return self.group is Group.ADMIN

    @property
    def name(self) -> str:
        """A name for programs, out of the method and the path."""
        words = self.path.removeprefix("/api/payments").replace("{", "").replace("}", "").replace("_id", "").split("/")
        return "_".join([self.method.lower(), *(word for word in words if word)])
