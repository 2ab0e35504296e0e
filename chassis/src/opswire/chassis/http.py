"""What every HTTP route of ours does alike: how it refuses, who may write, how much of a body it reads."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from opswire.chassis.errors import RejectedError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Handler = Callable[[Request], Awaitable[Response]]


class BodyLimitError(RejectedError):
    """More bytes than this address takes."""

    code = "body_too_large"


def refusal(status: int, code: str, detail: str) -> JSONResponse:
    """Why not, in the form of all our services: `{"code", "detail"}`."""
    return JSONResponse({"code": code, "detail": detail[:1_000]}, status_code=status)


def guarded(handler: Handler, token: str | None) -> Handler:
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


async def whole_body(request: Request, bytes_max: int) -> bytes:
    """The body, read no further than its limit, whatever length its header promises. Raises BodyLimitError."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise BodyLimitError(f"the body is larger than {bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
