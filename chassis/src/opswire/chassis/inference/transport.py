"""The HTTP client under both SDKs: aiohttp, bounded, without what httpx2 does per call and no model call needs.

No redirect is followed (a key would travel with it), no cookie is kept, no compressed reply is taken, and never more
than `REPLY_BYTES_MAX` of a reply is read, or `STREAM_BYTES_MAX` of a streamed one.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
import yarl
from opswire.chassis.inference.errors import CLOSED, InferenceUnavailableError, ReplyTooLargeError

REPLY_BYTES_MAX = 1_048_576
STREAM_BYTES_MAX = 16 * REPLY_BYTES_MAX
"""A stream wraps every token of 4 bytes in an event of 200 to 300: 30,000 tokens are 7.5 MB on the wire."""
ERROR_BYTES_MAX = 65_536
KEEP_ALIVE_S = 4.0
"""vLLM closes idle connections after 5 s; a call must not start on one that is about to close."""
URLS_MAX = 64
ROUND_TRIP = "opswire.round_trip_ns"
_WANTED = frozenset(
    {"authorization", "x-api-key", "anthropic-version", "anthropic-beta", "accept", "content-type", "traceparent"}
)
"""What a model server needs. SDKs add their own, and whatever a variable of the environment tells them to."""
_TCP_INFO = 11
_MINIMUM_ROUND_TRIP_AT = 148  # tcpi_min_rtt of Linux's struct tcp_info, microseconds
_UNMEASURED_US = 10_000_000  # the kernel says 2^32 - 1 before its first measurement


class BoundedHttpClient(httpx2.AsyncClient):
    """What `http_client` of an SDK takes. Reading is bounded; connecting takes at most `connect_timeout_s`."""

    def __init__(self, base_url: str, connect_timeout_s: float) -> None:
        super().__init__(transport=_Nowhere(), timeout=None)
        self._address = yarl.URL(base_url)
        self._connect_timeout_s = connect_timeout_s
        self._opened: aiohttp.ClientSession | None = None
        self._urls: dict[str, yarl.URL] = {}
        self._parsed_urls: dict[str, httpx2.URL] = {}
        self._round_trips = _RoundTrips()
        self._is_shut = False

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """The SDK's request without the merging of URLs, cookies and parameters that it has done itself."""
        if parts.get("files") or parts.get("params") or parts.get("data"):
            return super().build_request(method, url, **parts)
        given = parts.get("headers") or ()
        items = given.multi_items() if isinstance(given, httpx2.Headers) else given
        headers = [(name, value) for name, value in items if _is_wanted(name)]
        return httpx2.Request(method, self._parsed(url), headers=headers, content=parts.get("content"))

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """Send, and read the reply unless `stream`. Raises httpx2's errors and ReplyTooLargeError."""
        if self._is_shut:
            raise InferenceUnavailableError("the model client was closed", CLOSED)
        with _as_httpx2_errors():
            reply = await self._session().request(
                request.method,
                self._url(str(request.url)),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
            )
        extensions = {ROUND_TRIP: self._round_trips.smallest_ns()}
        if stream and reply.status < 400 and _is_plain(reply):
            body = _BoundedStream(reply)
            return httpx2.Response(
                reply.status, headers=reply.raw_headers, stream=body, request=request, extensions=extensions
            )
        content = await _read(reply)
        return httpx2.Response(
            reply.status, headers=_headers(reply), content=content, request=request, extensions=extensions
        )

    async def aclose(self) -> None:
        """Close every connection; nothing is sent any more."""
        self._is_shut = True
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
        await super().aclose()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=KEEP_ALIVE_S,
                ssl=_tls(self._address),
                socket_factory=self._round_trips.open,
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                headers={"User-Agent": "opswire", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
                trust_env=_has_proxy(self._address),
            )
        return self._opened

    def _parsed(self, url: httpx2.URL | str) -> httpx2.URL:
        """The few addresses of an endpoint are parsed once."""
        if isinstance(url, httpx2.URL):
            return url
        found = self._parsed_urls.get(url)
        if found is None:
            found = httpx2.URL(url)
            if len(self._parsed_urls) < URLS_MAX:
                self._parsed_urls[url] = found
        return found

    def _url(self, text: str) -> yarl.URL:
        found = self._urls.get(text)
        if found is None:
            found = yarl.URL(text, encoded=True)
            if len(self._urls) < URLS_MAX:
                self._urls[text] = found
        return found


def too_large(limit: int) -> ReplyTooLargeError:
    """The error for a reply of more than `limit` bytes."""
    return ReplyTooLargeError(f"the reply is larger than {limit:,} bytes; the rest was not read", "too_large")


class _Nowhere(httpx2.AsyncBaseTransport):
    """Takes the place of httpx2's own transport, so that none is built."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.UnsupportedProtocol("every request goes through BoundedHttpClient.send", request=request)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        with _as_httpx2_errors(is_reading=True):
            async for part in self._reply.content.iter_any():
                size += len(part)
                if size > STREAM_BYTES_MAX:
                    raise too_large(STREAM_BYTES_MAX)
                yield part

    async def aclose(self) -> None:
        self._reply.close()  # after its end the connection is back in the pool already; before it, the server stops


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    limit = REPLY_BYTES_MAX if reply.status < 400 else ERROR_BYTES_MAX
    parts: list[bytes] = []
    size = 0
    try:
        if reply.status < 400 and (reply.content_length or 0) > limit:
            raise too_large(limit)
        with _as_httpx2_errors(is_reading=True):
            while part := await reply.content.readany():
                parts.append(part)
                size += len(part)
                if size > limit:
                    if reply.status < 400:
                        raise too_large(limit)
                    break  # what an error says beyond this interests nobody
    except BaseException:
        reply.close()
        raise
    if size > limit:
        reply.close()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _headers(reply: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    """Without those that describe the bytes on the wire: the content is whole, and it is not decoded any more."""
    return [
        (name, value)
        for name, value in reply.raw_headers
        if name.lower() not in (b"content-encoding", b"transfer-encoding", b"content-length")
    ]


def _is_wanted(name: str) -> bool:
    return name.lower() in _WANTED


def _is_plain(reply: aiohttp.ClientResponse) -> bool:
    return reply.headers.get("Content-Encoding", "identity") == "identity"


@contextmanager
def _as_httpx2_errors(is_reading: bool = False) -> Iterator[None]:
    """What aiohttp raises, in httpx2's words, which are what both SDKs know. `is_reading`: a reply has begun."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error)) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(error, aiohttp.ServerDisconnectedError | OSError) and not is_reading:
            raise httpx2.RemoteProtocolError(str(error) or "the connection was closed without an answer") from error
        raise httpx2.ReadError(str(error) or type(error).__name__) from error


class _RoundTrips:
    """How far away the server is, by what the kernel has seen on the youngest connection to it."""

    def __init__(self) -> None:
        self._youngest: weakref.ref[socket.socket] | None = None
        self._known_ns = 0

    def open(self, address: tuple[Any, ...]) -> socket.socket:
        """A new connection's socket; aiohttp's way to give us one."""
        family, kind, protocol = address[:3]
        opened = socket.socket(family, kind, protocol)
        self._youngest = weakref.ref(opened)
        return opened

    def smallest_ns(self) -> int:
        """The smallest round trip; 0 where the kernel does not tell. Unlike the mean it holds no delayed answers."""
        opened = self._youngest() if self._youngest is not None else None
        if opened is None or not sys.platform.startswith("linux"):
            return self._known_ns
        try:
            info = opened.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _MINIMUM_ROUND_TRIP_AT + 4)
        except OSError:
            return self._known_ns  # closed
        if len(info) == _MINIMUM_ROUND_TRIP_AT + 4:
            (round_trip_us,) = struct.unpack_from("=I", info, _MINIMUM_ROUND_TRIP_AT)
            self._known_ns = round_trip_us * 1_000 if round_trip_us < _UNMEASURED_US else 0
        return self._known_ns


def _tls(address: yarl.URL) -> ssl.SSLContext | bool:
    return httpx2.create_ssl_context() if address.scheme == "https" else True


def _has_proxy(address: yarl.URL) -> bool:
    """Asked once for an endpoint: aiohttp would read the environment in every call."""
    return address.scheme in getproxies() and not proxy_bypass(address.host or "")
