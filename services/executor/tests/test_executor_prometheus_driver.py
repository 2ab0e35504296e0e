"""The prometheus driver against a real Prometheus where one is installed, and against its API in any case."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import tool_scene
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.testing.waiting import until_told
from opswire.executor.adapters.prometheus import promql_text
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import AnswerRefusedError, BadArgumentError, HostUnreachableError

PROMETHEUS = shutil.which("prometheus")
SERVERS = ["api", *(["prometheus"] if PROMETHEUS else [])]
TOOLS = tool_scene.catalogue(
    tool_scene.tool(
        "prometheus.free", {"name": "prometheus.query"}, parameters={"query": tool_scene.parameter(max=500)}
    ),
    tool_scene.tool(
        "prometheus.of_job",
        {"name": "prometheus.query", "query": 'count(prometheus_build_info{job="{job}"}) or vector(0)'},
        parameters={"job": tool_scene.parameter(dash=True, multiline=True)},
    ),
)
VECTOR = {"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000.5, "1"]}]}


@asynccontextmanager
async def api(
    answer: Any = VECTOR, status: int = 200, raw: bytes | None = None
) -> AsyncIterator[tuple[int, list[str]]]:
    """Prometheus' query API as its documentation shows it, over real HTTP; for machines without the program."""
    asked: list[str] = []
    body = orjson.dumps({"status": "success", "data": answer}) if raw is None else raw

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split()[1])
        location = "Location: http://169.254.169.254/\r\n" if status == 302 else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{location}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


@asynccontextmanager
async def real(folder: Path) -> AsyncIterator[tuple[int, list[str]]]:
    port = free_port()
    configuration = folder / "prometheus.yml"
    target = f"127.0.0.1:{port}"
    scrape = f"- job_name: itself\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{target}']}}]\n"
    configuration.write_text(f"scrape_configs:\n{scrape}")
    arguments = [f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=error"]
    process = await asyncio.create_subprocess_exec(PROMETHEUS or "", *arguments, f"--web.listen-address={target}")
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await until_told(lambda: _has_scraped(client, target), 60)
        yield port, []
    finally:
        process.terminate()
        await process.wait()


async def _has_scraped(client: httpx.AsyncClient, target: str) -> bool:
    try:
        answer = await client.get(f"http://{target}/api/v1/query", params={"query": "prometheus_build_info"})
        return answer.is_success and bool(answer.json()["data"]["result"])
    except httpx.TransportError:
        return False


@pytest.fixture
def server_of(make_asset):
    def asset(port: int, **attributes: str):
        values = {"protocol": "http", "port": str(port), **attributes}
        return make_asset("prometheus", "service", address="127.0.0.1", attributes=values)

    return asset


@pytest.fixture
async def drivers(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(DriverSettings(tmp_path, allow_loopback=True)) as built:
        yield built


@pytest.mark.parametrize("kind", SERVERS)
async def test_series_become_rows(drivers: Drivers, server_of, tmp_path: Path, kind: str) -> None:
    async with real(tmp_path) if kind == "prometheus" else api() as (port, _):
        found = await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(port), query="vector(1)")
        assert [record["value"] for record in found.records] == [1.0]
        if kind == "prometheus":
            own = await tool_scene.run(drivers, TOOLS, "prometheus.of_job", server_of(port), job="itself")
            assert [record["value"] for record in own.records] == [1.0]
            for job in ('x"} or vector(7) or up{job="', "\\", "a\nb", "-1"):
                other = await tool_scene.run(drivers, TOOLS, "prometheus.of_job", server_of(port), job=job)
                assert [record["value"] for record in other.records] == [0.0]
            with pytest.raises(AnswerRefusedError, match=r"answered 400: .*parse error"):
                await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(port), query="up{")


def test_a_value_ends_no_text_of_promql() -> None:
    assert promql_text('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


async def test_scalars_not_numbers_and_many_series(drivers: Drivers, server_of) -> None:
    async with api({"resultType": "scalar", "result": [1_700_000_000, "NaN"]}) as (port, asked):
        found = await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(port), query="scalar(up) & x")
        assert found.records[0]["value"] == "NaN"
        assert asked == ["/api/v1/query?query=scalar%28up%29+%26+x&timeout=10000ms"]
    many = [{"metric": {"__name__": "up", "n": str(n)}, "value": [1, "0.5"]} for n in range(300)]
    async with api({"resultType": "vector", "result": many}) as (port, _):
        found = await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(port), query="up")
        assert len(found.records) == 200
        assert "of 300 series" in found.note
        assert found.records[7]["labels"] == "n=7"


@pytest.mark.parametrize(
    ("status", "raw"),
    [(302, b""), (503, b"busy \x1b[2J"), (200, b"<html>"), (200, b"{}"), (200, b'{"data":{"resultType":"matrix"}}')],
)
async def test_answers_that_are_not_taken(drivers: Drivers, server_of, status: int, raw: bytes) -> None:
    async with api(status=status, raw=raw) as (port, asked):
        with pytest.raises(AnswerRefusedError) as caught:
            await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(port), query="up")
        assert "\x1b" not in str(caught.value)
        assert len(asked) == 1


async def test_an_answer_without_end_is_left(drivers: Drivers, server_of, unused_tcp_port: int) -> None:
    async with api(raw=b" " * 600_000) as (port, _):
        with pytest.raises(AnswerRefusedError, match="more than 256 kB"):
            await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(port), query="up")
    with pytest.raises(HostUnreachableError):
        await tool_scene.run(drivers, TOOLS, "prometheus.free", server_of(unused_tcp_port), query="up")


async def test_a_token_is_sent_with_tls_alone(server_of, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-token-of-prometheus\n")
    outside = server_of(80, credential="file:token").model_copy(update={"address": "192.0.2.1"})
    async with Drivers(DriverSettings(tmp_path)) as drivers:
        with pytest.raises(BadArgumentError, match="not sent without TLS") as caught:
            await tool_scene.run(drivers, TOOLS, "prometheus.free", outside, query="up")
    assert "canary" not in str(caught.value)
