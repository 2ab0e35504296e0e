"""What every route of the inventory does alike: errors, text, numbers within bounds."""

from __future__ import annotations

from opswire.assets.errors import (
    AssetInUseError,
    AssetNotFoundError,
    InvalidAssetError,
    InventoryUnavailableError,
    NameTakenError,
    UnreadableInventoryError,
)
from opswire.chassis.errors import OpswireError, PoisonError, RejectedError
from opswire.chassis.http import BodyLimitError, Handler, refusal
from starlette.requests import Request
from starlette.responses import Response

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
