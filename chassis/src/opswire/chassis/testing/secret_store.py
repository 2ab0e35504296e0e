"""A small server that speaks the part of Vault's HTTP interface that reads a secret (KV version 2). Not Vault.

Its paths, headers and answers follow Vault's own documentation of `GET /v1/:mount/data/:path`; policies, leases, seals
and everything else are missing. It stands in tests for a real Vault or OpenBao, which cannot run there.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from opswire.chassis.health import HttpServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


class SecretStoreServer:
    """`secrets` maps `mount/path` to fields. `mode` spoils the answers: `huge`, `redirect`, `broken` or a status."""

    def __init__(self, token: str, secrets: dict[str, dict[str, Any]]) -> None:
        self.token = token
        self.secrets = secrets
        self.mode = ""
        self.asked: list[str] = []
        self.namespaces: list[str] = []
        routes = [Route("/v1/{mount}/data/{path:path}", self._read)]
        self._server = HttpServer(Starlette(routes=routes), "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.port}"

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    async def _read(self, request: Request) -> Response:
        where = f"{request.path_params['mount']}/{request.path_params['path']}"
        self.asked.append(where)
        self.namespaces.append(request.headers.get("x-vault-namespace", ""))
        if request.headers.get("x-vault-token") != self.token:
            return JSONResponse({"errors": ["permission denied"]}, status_code=403)
        if self.mode == "redirect":
            return RedirectResponse(f"/v1/{where}")
        if self.mode == "huge":
            return Response(b" " * 200_000)
        if self.mode == "broken":
            return Response(b'{"data": ' + str(self.secrets).encode())
        if self.mode:
            return JSONResponse({"errors": [str(self.secrets)]}, status_code=int(self.mode))
        fields = self.secrets.get(where)
        if fields is None:
            return JSONResponse({"errors": []}, status_code=404)
        return JSONResponse({"data": {"data": fields, "metadata": {"version": 1}}})
