"""Tools of MCP servers, by the protocol's own client. What they do is what the catalogue says that they do."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from opswire.contracts.findings import Asset
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.secrets import Secrets
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tls import trusted_context
from opswire.executor.errors import (
    AnswerRefusedError,
    BadArgumentError,
    EndNotSeenError,
    HostUnreachableError,
    McpRefusedError,
    ToolError,
)
from opswire.executor.rules.catalogue import Entry
from opswire.executor.rules.cells import plain
from opswire.executor.rules.driver_settings import McpServer, McpTool
from opswire.executor.rules.tools import Record, Tool, ToolCall, ToolResult

LINES_MAX = 500
TOOLS_MAX = 1_000


class McpTools:
    """Calls tools of the servers that the catalogue names. A session is opened for each call and closed after it."""

    def __init__(self, settings: DriverSettings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets

    def tool(self, driver: McpTool, entry: Entry, servers: Mapping[str, McpServer]) -> Tool:
        """The tool. Raises McpRefusedError where the server does not offer it, or says that it does more than declared,
        ToolError where it fails, AnswerRefusedError, HostUnreachableError."""
        server = servers[driver.server]

        async def run(call: ToolCall) -> ToolResult:
            arguments: dict[str, Any] = dict(call.step.arguments)
            begun, answer = False, None
            try:
                async with self._session(driver.server, server, call.step.timeout_ms) as session:
                    offered = {tool.name: tool for tool in await _offered(session)}
                    _require(driver, entry, offered.get(driver.tool))
                    begun = True
                    answer = await session.call_tool(driver.tool, arguments)
            except HostUnreachableError as error:
                if begun and answer is None:
                    raise EndNotSeenError(str(error)) from error
                if answer is None:
                    raise
            assert answer is not None
            return _result(driver, answer, entry)

        return run

    async def offered(self, name: str, server: McpServer, timeout_ms: int = 10_000) -> list[str]:
        """The names of all tools that a server offers, whether the catalogue holds them or not."""
        async with self._session(name, server, timeout_ms) as session:
            return sorted(tool.name for tool in await _offered(session))

    @asynccontextmanager
    async def _session(self, name: str, server: McpServer, timeout_ms: int) -> AsyncIterator[ClientSession]:
        try:
            async with self._streams(name, server) as (reading, writing):
                limit = timedelta(milliseconds=timeout_ms)
                async with ClientSession(reading, writing, read_timeout_seconds=limit) as session:
                    await session.initialize()
                    yield session
        except BaseExceptionGroup as group:
            # The library's tasks fail in groups; one of ours, or the first that says something, is the reason.
            raise _reason(name, group) from group
        except (McpError, OSError, httpx.HTTPError) as error:
            raise _reason(name, error) from error

    @asynccontextmanager
    async def _streams(self, name: str, server: McpServer) -> AsyncIterator[tuple[Any, Any]]:
        if server.command is not None:
            program, *arguments = server.command
            environment = {key: await self._secret(to) for key, to in server.environment.items()}
            parameters = StdioServerParameters(command=program, args=arguments, env=environment)
            # What it says on its standard error is not ours to show: it may hold what it was given.
            with tempfile.TemporaryFile("w", encoding="utf-8") as said:
                async with stdio_client(parameters, errlog=said) as streams:
                    yield streams
            return
        headers = {}
        if server.token is not None:
            headers["authorization"] = f"Bearer {await self._secret(server.token)}"
        url = server.url or ""
        async with (
            await self._client(name, url, headers) as client,
            streamable_http_client(url, http_client=client) as (reading, writing, _),
        ):
            yield reading, writing

    async def _secret(self, reference: str) -> str:
        return (await self._secrets.resolve(reference)).get_secret_value().strip()

    async def _client(self, name: str, url: str, headers: dict[str, str]) -> httpx.AsyncClient:
        parsed = httpx.URL(url)
        if parsed.userinfo or not parsed.host:
            raise BadArgumentError(f"the url of the MCP server {name} is not one that is asked")
        asset = Asset(id="mcp", name=name, type="service", environment="unknown", address=parsed.host)
        address = await address_of(asset, allow_loopback=self._settings.allow_loopback)
        return httpx.AsyncClient(
            transport=PinnedTransport(address, parsed, trusted_context(self._settings.ca_file)),
            headers=headers,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(30.0, connect=self._settings.connect_timeout_s, read=None),
        )


class PinnedTransport(httpx.AsyncBaseTransport):
    """Sends every request to one address that was checked, whatever a name stands for by now; other hosts to none."""

    def __init__(self, address: str, url: httpx.URL, verify: Any) -> None:
        self._address = address
        self._origin = (url.scheme, url.host, url.port)
        self._inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the pinned address. Raises httpx.UnsupportedProtocol for another origin."""
        url = request.url
        if (url.scheme, url.host, url.port) != self._origin:
            raise httpx.UnsupportedProtocol(f"{url.host} is not the server that was named", request=request)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=self._address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()


async def _offered(session: ClientSession) -> list[types.Tool]:
    found: list[types.Tool] = []
    cursor: str | None = None
    while len(found) < TOOLS_MAX:
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        found += page.tools
        cursor = page.nextCursor
        if cursor is None:
            break
    return found[:TOOLS_MAX]


def _require(driver: McpTool, entry: Entry, tool: types.Tool | None) -> None:
    if tool is None:
        raise McpRefusedError(f"the MCP server {driver.server} offers no tool {driver.tool!r}; nothing was called")
    hints = tool.annotations
    # What a server says of itself never makes a tool harmless; it may make an entry of the catalogue a lie.
    if hints is not None and not entry.changes and (hints.readOnlyHint is False or hints.destructiveHint is True):
        raise McpRefusedError(
            f"{entry.name} is declared to read, and the MCP server {driver.server} says that {driver.tool!r} changes "
            "something; nothing was called"
        )


def _result(driver: McpTool, answer: types.CallToolResult, entry: Entry) -> ToolResult:
    texts = [block.text for block in answer.content if isinstance(block, types.TextContent)]
    text = "\n".join(texts)
    if len(text.encode("utf-8", "surrogatepass")) > entry.output_bytes_max:
        kind = EndNotSeenError if entry.changes else AnswerRefusedError
        raise kind(f"{driver.tool!r} of {driver.server} answered more than {entry.output_bytes_max // 1024} kB")
    if answer.isError:
        raise ToolError(
            f"{driver.tool!r} of {driver.server} failed: {plain(' '.join(text.split()), 300) or 'no reason'}"
        )
    others = len(answer.content) - len(texts)
    lines = text.splitlines()
    records: list[Record] = [{"line": plain(line)} for line in lines[:LINES_MAX]]
    notes = [f"{others} parts that are no text are left out."] if others else []
    notes += ["Not all lines are shown."] if len(lines) > LINES_MAX else []
    return ToolResult(tuple(records), " ".join(notes))


def _reason(name: str, error: BaseException) -> BaseException:
    if isinstance(error, BaseExceptionGroup):
        known = [_reason(name, each) for each in error.exceptions]
        return next((each for each in known if isinstance(each, ToolError)), known[0])
    if isinstance(error, McpError) and error.error.code in (httpx.codes.REQUEST_TIMEOUT, types.CONNECTION_CLOSED):
        return HostUnreachableError(f"the MCP server {name} did not answer: {plain(str(error), 300)}")
    if isinstance(error, McpError):
        return AnswerRefusedError(f"the MCP server {name} refused: {plain(str(error), 300)}")
    if isinstance(error, OSError | httpx.HTTPError):
        said = plain(str(error) or type(error).__name__, 200)
        return HostUnreachableError(f"the MCP server {name} was not reached: {said}")
    return error


def undeclared(offered: list[str], server: str, drivers: list[McpTool]) -> list[str]:
    """The tools of a server that no entry of the catalogue gives an effect and a risk, so that nobody can call them."""
    declared = {driver.tool for driver in drivers if driver.server == server}
    return [name for name in offered if name not in declared]
