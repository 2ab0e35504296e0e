"""The http and tcp drivers against real servers on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import AddressRefusedError, BadArgumentError
from opswire.executor.rules.tools import ToolCall
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan


@asynccontextmanager
async def raw_server(reply: bytes, *, endless: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(reply)
            while endless:
                writer.write(b"x" * 65_536)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], requests


@pytest.fixture
async def probes(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(DriverSettings(tmp_path, allow_loopback=True, connect_timeout_s=2.0)) as drivers:
        yield drivers


@pytest.fixture
def check(make_asset, make_context, probes: Drivers):
    async def run(port: int, protocol: str = "http", path: str = "/health"):
        attributes = {"port": str(port), "protocol": protocol, "health_path": path}
        context = make_context(
            "status.check", assets=[make_asset("x", "service", address="127.0.0.1", attributes=attributes)]
        )
        return await run_plan(make_plan(context), context, probes.tools, time.time_ns() + 20_000_000_000)

    return run


async def test_a_healthy_endpoint(check, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy of our environment would see internal addresses, and could answer for them.
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (port, requests):
        answer = await check(port)
    assert (answer.rows or [])[0][:3] == ["x", "http", "healthy"]
    assert requests[0].startswith(b"GET /health HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{port}".encode() in requests[0].lower()


@pytest.mark.parametrize(
    ("reply", "state", "detail"),
    [
        (
            b"HTTP/1.1 503 No\r\nContent-Length: 15\r\n\r\ndb \x1b[2J is away",
            "unhealthy",
            "HTTP 503: db \\x1b[2J is away",
        ),
        (
            b"HTTP/1.1 302 F\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            "redirects",
            "HTTP 302, not",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "broken", ""),
        (b"", "broken", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nshort", "broken", ""),
    ],
)
async def test_endpoints_that_are_not_healthy(check, reply: bytes, state: str, detail: str) -> None:
    async with raw_server(reply) as (port, requests):
        answer = await check(port)
    row = (answer.rows or [])[0]
    assert row[2] == state
    assert str(row[4]).startswith(detail)
    assert len(requests) == 1


async def test_an_endless_body_is_left(check) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\n\r\n", endless=True) as (port, _):
        answer = await check(port)
    assert (answer.rows or [])[0][2] == "healthy"


async def test_nobody_listens(check, unused_tcp_port: int) -> None:
    for protocol, tool in (("http", "http"), ("tcp", "tcp"), ("tls", "tls")):
        answer = await check(unused_tcp_port, protocol)
        assert (answer.rows or [])[0][1:3] == [tool, "refused"]


async def test_a_server_that_never_answers(make_asset, make_context, tmp_path: Path) -> None:
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, Drivers(DriverSettings(tmp_path, allow_loopback=True, connect_timeout_s=0.2)) as drivers:
        for protocol in ("http", "tls"):
            attributes = {"port": str(port), "protocol": protocol}
            context = make_context(
                "status.check", assets=[make_asset("x", "service", address="127.0.0.1", attributes=attributes)]
            )
            answer = await run_plan(make_plan(context), context, drivers.tools, time.time_ns() + 20_000_000_000)
            assert (answer.rows or [])[0][1:3] == [protocol, "no answer"]


@pytest.mark.parametrize(
    "path", ["health", "//evil.example.com/", "/a b", "/a\r\nX-Evil: 1", "/é", "", "http://evil", "/a#b", "/\0"]
)
async def test_paths_cannot_leave_the_request_line(make_asset, make_context, probes: Drivers, path: str) -> None:
    asset = make_asset("x", "service", address="127.0.0.1", attributes={"port": "80", "protocol": "http"})
    context = make_context("status.check", assets=[asset])
    step = make_plan(context).steps[0]
    step = step.model_copy(update={"arguments": {**step.arguments, "path": path}})
    with pytest.raises(BadArgumentError):
        await probes.tools["http.check"](ToolCall(step, context, asset, None))


@pytest.mark.parametrize("tool", ["http.check", "tcp.connect", "tls.inspect"])
@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "0.0.0.0", "127.1"])
async def test_no_probe_contacts_a_refused_address(make_asset, make_context, probes, tool: str, address: str) -> None:
    protocol = {"http.check": "http", "tcp.connect": "tcp", "tls.inspect": "tls"}[tool]
    asset = make_asset("x", "service", address=address, attributes={"port": "80", "protocol": protocol})
    context = make_context("status.check", assets=[asset])
    plan = make_plan(context)
    assert [step.tool for step in plan.steps] == [tool]
    with pytest.raises(AddressRefusedError):
        await run_plan(plan, context, probes.tools, time.time_ns() + 20_000_000_000)


async def test_tcp_latency_is_measured(check) -> None:
    async with raw_server(b"") as (port, _):
        answer = await check(port, "tcp")
    assert (answer.rows or [])[0][:3] == ["x", "tcp", "open"]
    assert str((answer.rows or [])[0][4]).endswith(" ms")
