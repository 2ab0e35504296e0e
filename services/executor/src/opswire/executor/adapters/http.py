"""Whether an asset's HTTP endpoint is healthy. Only inventory assets, only their checked address, no redirects."""

from __future__ import annotations

import asyncio
import re

import httpx
from opswire.contracts.findings import Asset
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tcp import probe_record
from opswire.executor.adapters.tls import trusted_context, untrusting_context
from opswire.executor.errors import BadArgumentError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.tools import ToolCall, ToolResult

BODY_BYTES_MAX = 64 * 1024
EXCERPT_CHARACTERS = 120
# A path and query as they go on the request line: no white space, no control characters, no fragment, no authority.
_PATH = re.compile(r"/(?!/)[\x21\x22\x24-\x7e]{0,999}|/")


class Http:
    """GET requests of health endpoints. An endpoint that answers badly or not at all is a finding, not a failure."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings

    async def check(self, call: ToolCall) -> ToolResult:
        """`healthy` for 2xx, `redirects` for 3xx (never followed), `unhealthy`, `refused`, `no answer` or `broken`."""
        asset, port, scheme, path = call.needed_asset(), call.port(), call.text("scheme"), call.text("path")
        loop = asyncio.get_running_loop()
        started = loop.time()
        result, detail = await self.probe(asset, scheme, port, path)
        answered = result in ("healthy", "unhealthy", "redirects")
        latency_ms = round((loop.time() - started) * 1_000, 1) if answered else None
        return ToolResult((probe_record(call, asset, scheme, port, result, latency_ms, detail),))

    async def probe(self, asset: Asset, scheme: str, port: int, path: str) -> tuple[str, str]:
        """What `check` finds, and a detail. Raises BadArgumentError, AddressRefusedError."""
        if scheme not in ("http", "https"):
            raise BadArgumentError(f"{scheme[:40]!r} is not a scheme that is asked")
        if not _PATH.fullmatch(path):
            raise BadArgumentError(f"{path[:80]!r} is not the path of an HTTP request")
        address = await address_of(asset, allow_loopback=self._settings.allow_loopback)
        name = server_name(asset)
        url = f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}{path}"
        async with self._client(scheme) as client:
            return await self._get(client, url, f"{name}:{port}", name)

    def _client(self, scheme: str) -> httpx.AsyncClient:
        # A context is costly to build, and plain HTTP has no use for the authorities that a verifying one loads.
        verify = trusted_context(self._settings.ca_file) if scheme == "https" else untrusting_context()
        return httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._limit_s, verify=verify)

    @property
    def _limit_s(self) -> float:
        return self._settings.connect_timeout_s * 0.8

    async def _get(self, client: httpx.AsyncClient, url: str, host: str, name: str) -> tuple[str, str]:
        headers = {"host": host, "accept-encoding": "identity", "user-agent": "opswire"}
        extensions = {"sni_hostname": name} if url.startswith("https:") else {}
        try:
            async with (
                asyncio.timeout(self._limit_s),
                client.stream("GET", url, headers=headers, extensions=extensions) as response,
            ):
                return _judged(response, await _start_of_body(response))
        except (TimeoutError, httpx.TimeoutException):
            return "no answer", "no answer in time"
        except httpx.ConnectError as error:
            # httpx tells no more than this text when every address (there is one) refused.
            refused = "all connection attempts failed" in str(error).casefold()
            return ("refused", "connection refused") if refused else ("broken", plain(str(error), 200))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return "broken", plain(str(error) or type(error).__name__, 200)


async def _start_of_body(response: httpx.Response) -> bytes:
    # An endless body is left after its first 64 kB; the timeout bounds one that trickles.
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= BODY_BYTES_MAX:
            break
    return body[:BODY_BYTES_MAX]


def _judged(response: httpx.Response, body: bytes) -> tuple[str, str]:
    said = f"HTTP {response.status_code}"
    if response.is_success:
        return "healthy", said
    if response.is_redirect:
        return "redirects", f"{said}, not followed"
    excerpt = plain(" ".join(body[:1_000].decode("utf-8", "replace").split()), EXCERPT_CHARACTERS)
    return "unhealthy", f"{said}: {excerpt}" if excerpt else said


def server_name(asset: Asset) -> str:
    """The name that the asset answers to: its attribute `server_name`, its address, or its host's name."""
    name = asset.attributes.get("server_name") or asset.address or asset.name
    # It becomes a header and a handshake field: letters, digits and name punctuation only.
    return name if re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", name) else "invalid"
