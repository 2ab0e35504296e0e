"""HTTP requests to assets: only their checked address, no redirects, no proxies, bounded answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx
import orjson
from opswire.contracts.findings import Asset
from opswire.executor.adapters.credentials import resolve_reference
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.http import server_name
from opswire.executor.adapters.secrets import Secrets
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tls import trusted_context, untrusting_context
from opswire.executor.errors import (
    AnswerRefusedError,
    BadArgumentError,
    ConnectionBrokenError,
    EndNotSeenError,
    HostUnreachableError,
)
from opswire.executor.rules.cells import plain
from opswire.executor.rules.targets import port_of, protocol_of

JSON = "application/json"
_BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)


class _UnclearAnswerError(AnswerRefusedError):
    """An answer that does not say whether what was asked was done."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `path` is escaped already; `body` is a JSON document."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = JSON


class PinnedHttp:
    """Asks the HTTP endpoint of an asset. Its attributes say port, protocol, credential and `ca` (a file reference)."""

    def __init__(self, settings: DriverSettings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets

    async def ask(self, asset: Asset, request: Request, bytes_max: int, *, scheme: str | None = None) -> object:
        """The JSON document that is answered.

        Raises AddressRefusedError, BadArgumentError, HostUnreachableError, CredentialUnusableError, and
        AnswerRefusedError for another status than 2xx, no JSON, or more than `bytes_max` bytes. Where the request may
        have changed something and no answer says what came of it: EndNotSeenError.
        """
        if request.method == "GET":
            return await self._ask(asset, request, bytes_max, scheme)
        try:
            return await self._ask(asset, request, bytes_max, scheme)
        except (_UnclearAnswerError, ConnectionBrokenError) as error:
            raise EndNotSeenError(str(error)) from error

    async def _ask(self, asset: Asset, request: Request, bytes_max: int, scheme: str | None) -> object:
        scheme = scheme or protocol_of(asset)
        port = port_of(asset)
        if scheme not in ("http", "https") or port is None:
            raise BadArgumentError(f"the inventory gives {asset.name} no protocol and port that can be asked")
        status, body = await self._send(asset, request, scheme, port, bytes_max)
        if not 200 <= status < 300:
            said = plain(" ".join(body[:600].decode("utf-8", "replace").split()), 300)
            # Of what comes from behind a gateway, or from a fault in the middle, nobody knows how far it came.
            kind = _UnclearAnswerError if status >= 500 else AnswerRefusedError
            raise kind(f"{asset.name} answered {status}: {said or 'nothing more'}")
        try:
            found: object = orjson.loads(body or b"null")
        except ValueError:
            raise _UnclearAnswerError(f"{asset.name} answered {status} with something that is no JSON") from None
        return found

    async def _send(self, asset: Asset, request: Request, scheme: str, port: int, bytes_max: int) -> tuple[int, bytes]:
        address = await address_of(asset, allow_loopback=self._settings.allow_loopback)
        name = server_name(asset)
        url = f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}{request.path}"
        url += f"?{urlencode(request.query)}" if request.query else ""
        headers = {"host": f"{name}:{port}", "accept": JSON, "accept-encoding": "identity", "user-agent": "opswire"}
        content = None
        if request.body is not None:
            content, headers["content-type"] = orjson.dumps(request.body), request.content_type
        reference = asset.attributes.get("credential", "")
        if reference:
            if scheme != "https" and not self._settings.allow_loopback:
                raise BadArgumentError(f"the credential of {asset.name} is not sent without TLS")
            headers["authorization"] = f"Bearer {(await self._secrets.resolve(reference)).get_secret_value().strip()}"
        extensions = {"sni_hostname": name} if scheme == "https" else {}
        limit = httpx.Timeout(None, connect=self._settings.connect_timeout_s)
        try:
            async with (
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=limit, verify=self._context(asset, scheme)
                ) as client,
                client.stream(request.method, url, headers=headers, content=content, extensions=extensions) as reply,
            ):
                return reply.status_code, await _bounded(asset, reply, bytes_max)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Some of httpx' errors carry the request; its headers hold the credential.
            said = plain(str(error) or type(error).__name__, 200)
            kind = HostUnreachableError if isinstance(error, _BEFORE_SENDING) else ConnectionBrokenError
            raise kind(f"{asset.name} did not answer: {said}") from None

    def _context(self, asset: Asset, scheme: str) -> ssl.SSLContext:
        if scheme == "http":
            return untrusting_context()
        reference = asset.attributes.get("ca", "")
        if not reference:
            return trusted_context(self._settings.ca_file)
        return trusted_context(resolve_reference(reference, asset.name, self._settings.credentials_dir))


async def _bounded(asset: Asset, reply: httpx.Response, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in reply.aiter_raw():
        body += chunk
        if len(body) > bytes_max:
            raise _UnclearAnswerError(f"{asset.name} answered more than {bytes_max // 1024} kB")
        await asyncio.sleep(0)
    return bytes(body)
