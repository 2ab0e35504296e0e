"""What every route of the inventory does alike: errors, the token, bodies and numbers within bounds."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from opswire.assets.errors import (
    AssetInUseError,
    AssetNotFoundError,
    InvalidAssetError,
    InventoryUnavailableError,
    NameTakenError,
    UnreadableInventoryError,
)
from opswire.chassis.errors import OpswireError, PoisonError, RejectedError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Handler = Callable[[Request], Awaitable[Response]]

_STATUS: tuple[tuple[type[OpswireError], int], ...] = (
    (AssetNotFoundError, 404),
    (NameTakenError, 409),
    (AssetInUseError, 409),
    (InvalidAssetError, 422),
    (UnreadableInventoryError, 422),
    (InventoryUnavailableError, 503),
    (PoisonError, 400),
    (RejectedError, 400),
)


class BadQueryError(RejectedError):
    """A parameter of the address is unknown or out of its bounds."""

    code = "bad_query"


class BodyLimitError(RejectedError):
    """More bytes than this address takes."""

    code = "body_too_large"


def answering(handler: Handler) -> Handler:
    """Errors of ours become their status and `{"code", "detail"}`; anything else is a bug and stays one."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BodyLimitError as error:
            return refusal(413, error.code, str(error))
        except OpswireError as error:
            return refusal(status_of(error), error.code, str(error))

    return answer


def status_of(error: OpswireError) -> int:
    """The HTTP status of an error of ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


def guarded(handler: Handler, token: str | None) -> Handler:
    """Lets through who has the token; the comparison takes as long for a wrong one as for a nearly right one."""
    wanted = f"Bearer {token}".encode() if token else None

    async def check(request: Request) -> Response:
        if wanted is None:
            return refusal(403, "writes_disabled", "this service has no OPSWIRE_HTTP_TOKEN, so nothing can be written")
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            answer = refusal(401, "unauthorized", "a write needs `Authorization: Bearer <token>`")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return await handler(request)

    return check


def refusal(status: int, code: str, detail: str) -> JSONResponse:
    """An error as its document."""
    return JSONResponse({"code": code, "detail": detail[:1_000]}, status_code=status)


async def whole_body(request: Request, bytes_max: int) -> bytes:
    """The body, read no further than its limit, whatever length its header promises."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise BodyLimitError(f"the body is larger than {bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def decoded(body: bytes) -> str:
    """The body as text. Raises UnreadableInventoryError for another encoding."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableInventoryError(f"byte {error.start} is not UTF-8") from error


def number(request: Request, key: str, default: int, most: int) -> int:
    """A whole number of the address, within its bounds. Raises BadQueryError."""
    text = request.query_params.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= most):
        raise BadQueryError(f"{key} is a whole number from 0 to {most}")
    return int(text)
