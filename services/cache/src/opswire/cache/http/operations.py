"""The one table of HTTP operations: routes and OpenAPI follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from nats.errors import Error as NatsError
from opswire.cache.errors import BadCacheQueryError
from opswire.chassis.body import read_body
from opswire.chassis.errors import OpswireError, RetryableError
from opswire.chassis.http import BodyLimitError, Handler, guarded, refusal, whole_body
from opswire.chassis.reading import SchemaError, describe
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY_BYTES_MAX = 1024 * 1024
ModelT = TypeVar("ModelT", bound=BaseModel)


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
        return Route(self.path, guarded(handler, token) if self.is_write else handler, methods=[self.method])


def answer(body: BaseModel, status: int = 200) -> Response:
    """A model as JSON. Nothing here is for a browser's or proxy's memory."""
    return Response(body.model_dump_json(), status, {"cache-control": "no-store"}, media_type="application/json")


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


async def model_of(request: Request, model: type[ModelT]) -> ModelT:
    """The body as the model. Raises PoisonError for what is none, BodyLimitError."""
    raw = await whole_body(request, BODY_BYTES_MAX)
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
