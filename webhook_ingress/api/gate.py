"""What every request passes before it is looked into: how many there are, who sends it, what they may do, how long it is."""

from starlette.requests import Request
from starlette.responses import Response

from webhook_ingress import body as bodies
from webhook_ingress import problems, trace
from webhook_ingress.api import ids
from webhook_ingress.api.call import Call, Workers, deadline_in
from webhook_ingress.api.endpoint import Endpoint
from webhook_ingress.auth import Authenticator, BadToken, Caller
from webhook_ingress.body import BadBody, LingeringProblem
from webhook_ingress.keys import KeysUnavailable
from webhook_ingress.problems import Problem
from webhook_ingress.rate_limit import RateLimiter

MAX_IN_FLIGHT = 512
"""Half of the connections: however slow the workers are, webhooks and probes get through."""

MAX_BODY_BYTES = 64 * 1024
"""A create with all its metadata has 25 KiB."""

TOO_LARGE = LingeringProblem(413, "body_too_large", f"At most {MAX_BODY_BYTES} bytes are read.")
SENDER_GONE = problems.bad_request("body_incomplete", "The body ended too early.")
OVERLOADED = problems.unavailable("overloaded", "Too many requests are being answered; send it again.")
KEYS_AWAY = problems.unavailable("keys_unavailable", "The keys that verify tokens cannot be read now; ask again.")
ADMINS_ONLY = Problem(403, "role_missing", "This is for administrators.")

DETAILS = {
    BadToken.MISSING: "There is no bearer token.",
    BadToken.REPEATED: "There is more than one Authorization header.",
    BadToken.MALFORMED: "The token cannot be read.",
    BadToken.WRONG_ALGORITHM: "The token is signed in a way that is not accepted here.",
    BadToken.UNKNOWN_KEY: "The token's key is not known.",
    BadToken.WRONG_SIGNATURE: "The token's signature is wrong.",
    BadToken.EXPIRED: "The token has expired.",
    BadToken.NOT_YET_VALID: "The token is not valid yet.",
    BadToken.WRONG_ISSUER: "The token is not from the issuer that is trusted here.",
    BadToken.WRONG_AUDIENCE: "The token is not meant for this service.",
    BadToken.UNUSABLE: "The token lacks something, or its subject is no identifier.",
}


class Gate:
    """Wraps endpoints for the router."""

    def __init__(
        self, workers: Workers, authenticator: Authenticator, limiter: RateLimiter, *, answer_timeout_s: float
    ) -> None:
        self._workers = workers
        self._authenticator = authenticator
        self._limiter = limiter
        self._answer_timeout_s = answer_timeout_s
        self._in_flight = 0

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Let a request through, or say why not."""
        if self._in_flight >= MAX_IN_FLIGHT:
            return _noted(request, OVERLOADED)
        self._in_flight += 1
        try:
            return _noted(request, await self._limited(endpoint, request))
        finally:
            self._in_flight -= 1

    async def _limited(self, endpoint: Endpoint, request: Request) -> Response:
        address = request.client.host if request.client is not None else None
        of_address = await self._limiter.address(address)
        if not of_address.allowed:
            return problems.too_many(of_address.headers)
        try:
            caller = await self._authenticator.identify(request.headers.raw)
        except KeysUnavailable:
            return KEYS_AWAY
        if isinstance(caller, BadToken):
            return _unknown(caller)
        of_user = await self._limiter.user(caller.issuer, caller.subject, sensitive=endpoint.sensitive)
        request.scope["state"]["headers"] = of_user.headers
        return (
            await self._permitted(endpoint, request, caller) if of_user.allowed else problems.too_many(of_user.headers)
        )

    async def _permitted(self, endpoint: Endpoint, request: Request, caller: Caller) -> Response:
        if endpoint.admin and not caller.admin:
            return ADMINS_ONLY
        if not ids.fit(endpoint.ids, request.path_params):
            return problems.not_found()
        declared = request.headers.get("content-length")
        body = await bodies.read(
            request.receive, int(declared) if declared is not None else None, limit_bytes=MAX_BODY_BYTES
        )
        if isinstance(body, BadBody):
            return TOO_LARGE if body is BadBody.TOO_LARGE else SENDER_GONE
        return await endpoint.handle(
            Call(
                workers=self._workers,
                caller=caller,
                path=request.path_params,
                query_string=request.scope["query_string"],
                headers=tuple(request.headers.raw),
                body=body,
                correlation_id=request.scope["state"]["correlation_id"],
                traceparent=trace.parent(dict(request.headers.raw).get(b"traceparent")),
                deadline=deadline_in(self._answer_timeout_s),
                line=request.scope["state"]["line"],
            )
        )


def _noted(request: Request, response: Response) -> Response:
    if isinstance(response, Problem):
        request.scope["state"]["line"]["outcome"] = response.code
    return response


def _unknown(bad: BadToken) -> Response:
    """RFC 6750, section 3: a request without any token is told no error."""
    challenge = 'Bearer realm="payments"'
    if bad is not BadToken.MISSING:
        challenge += f', error="invalid_token", error_description="{DETAILS[bad]}"'
    return Problem(401, bad.value, DETAILS[bad], headers={"www-authenticate": challenge})
