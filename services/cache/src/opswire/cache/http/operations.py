"""The one table of HTTP operations: routes and OpenAPI follow from it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from nats.errors import Error as NatsError
from opswire.cache.errors import BadCacheQueryError, BodyLimitError
from opswire.chassis.body import read_body
from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.reading import SchemaError, describe
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BODY_BYTES_MAX = 1024 * 1024
ModelT = TypeVar("ModelT", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of the address' parameters: its bounds for a number, 0 for text."""

    name: str
    means: str
    default: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `is_write` needs the token."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    is_write: bool = False
    status: int = 200

    def route(self, token: str | None) -> Route:
        """The route, behind the token where it writes."""
        handler = _answering(self)
        return Route(self.path, _guarded(handler, token) if self.is_write else handler, methods=[self.method])


def answer(body: BaseModel, status: int = 200) -> Response:
    """A model as JSON. Nothing here is for a browser's or proxy's memory."""
    return Response(body.model_dump_json(), status, {"cache-control": "no-store"}, media_type="application/json")


def refusal(status: int, code: str, detail: str) -> JSONResponse:
    """Why not, in the form of all our services."""
    return JSONResponse({"code": code, "detail": detail[:1_000]}, status_code=status)


def number(request: Request, parameter: Parameter) -> int:
    """A whole number in its bounds. Raises BadCacheQueryError."""
    given = request.query_params.get(parameter.name)
    if given is None:
        return parameter.default
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and 0 < int(given) <= parameter.most):
        raise BadCacheQueryError(f"{parameter.name} is a whole number from 1 to {parameter.most}")
    return int(given)


def text(value: str, name: str, most: int) -> str:
    """A text within its bound: one that is cut would name something else. Raises BadCacheQueryError."""
    if len(value) > most:
        raise BadCacheQueryError(f"{name} has at most {most} characters")
    return value


async def body_of(request: Request) -> bytes:
    """The body, read no further than its limit, whatever length its header promises. Raises BodyLimitError."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise BodyLimitError(f"the body is larger than {BODY_BYTES_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def model_of(request: Request, model: type[ModelT]) -> ModelT:
    """The body as the model. Raises PoisonError for what is none, BodyLimitError."""
    raw = await body_of(request)
    read_body(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise SchemaError(describe(error)) from error


def _answering(operation: Operation) -> Handler:
    """Errors of ours become their status and `{"code", "detail"}`; anything else is a bug and stays one."""
    known = {parameter.name for parameter in operation.parameters}

    async def respond(request: Request) -> Response:
        try:
            unknown = sorted(set(request.query_params) - known)
            if unknown:
                raise BadCacheQueryError(f"no parameter {unknown[0][:64]!r} here; there is {sorted(known) or 'none'}")
            return await operation.handler(request)
        except BodyLimitError as error:
            return refusal(413, error.code, str(error))
        except RetryableError as error:
            return refusal(503, error.code, str(error))
        except OpswireError as error:
            return refusal(400, error.code, str(error))
        except (OSError, NatsError) as error:
            return refusal(503, "temporarily_unavailable", f"{type(error).__name__}: {error}")

    return respond


def _guarded(handler: Handler, token: str | None) -> Handler:
    """Lets through who has the token; the comparison takes as long for a wrong one as for a nearly right one."""
    wanted = f"Bearer {token}".encode() if token else None

    async def check(request: Request) -> Response:
        if wanted is None:
            return refusal(403, "writes_disabled", "this service has no OPSWIRE_HTTP_TOKEN, so nothing can be written")
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            refused = refusal(401, "unauthorized", "a write needs `Authorization: Bearer <token>`")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        return await handler(request)

    return check
