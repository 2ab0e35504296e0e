"""Changes whose end nobody saw are never told as failed: a host that talks first, an answer that is lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import tool_scene
from opswire.chassis.embedded.ports import free_port
from opswire.chassis.testing.waiting import until
from opswire.executor.adapters import remote_processes
from opswire.executor.adapters.remote_processes import RemoteProcesses
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import HostUnreachableError, ToolError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.usecases import limits


def talking_first(root: Path, said: str) -> None:
    """What a profile that prints does: before the command's own output stands something else."""
    (root / "bin").mkdir(exist_ok=True)
    shell = root / "bin" / "sh"
    shell.write_text(f'#!/bin/sh\n{said}\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)


async def test_a_host_that_greets_runs_the_command_and_is_understood(ssh_host, drivers: Drivers) -> None:
    talking_first(ssh_host.root, "echo Welcome to web-01; echo 12345")
    ended = await RemoteProcesses(drivers.ssh).run(ssh_host.asset(), ["sh", "-c", "touch done; echo it"], 1024)
    assert (ended.exit_status, ended.stdout) == (0, "Welcome to web-01\n12345\nit\n")
    assert (ssh_host.root / "done").exists()


async def test_a_command_that_the_host_never_starts_is_told_as_not_started(ssh_host, drivers: Drivers) -> None:
    talking_first(ssh_host.root, "echo This account is not available; exit 1")
    with pytest.raises(ToolError, match="did not start") as caught:
        await RemoteProcesses(drivers.ssh).run(ssh_host.asset(), ["touch", "done"], 1024)
    assert not caught.value.leaves_unknown
    assert not (ssh_host.root / "done").exists()


async def test_a_connection_that_breaks_while_a_command_is_begun_leaves_unknown(ssh_host, drivers: Drivers) -> None:
    ssh_host.outlives = True
    async with drivers.ssh.connected(ssh_host.asset()) as connection:
        inner = connection.create_process

        async def begun_and_lost(*given: Any, **more: Any) -> Any:
            await inner(*given, **more)
            await ssh_host.begun.wait()
            connection.abort()
            await connection.wait_closed()
            raise asyncssh.ConnectionLost("Connection lost")

        connection.create_process = begun_and_lost  # type: ignore[method-assign]
        with pytest.raises(ToolError) as caught:
            await RemoteProcesses(drivers.ssh).run(ssh_host.asset(), ["touch", "done"], 1024)
    assert caught.value.leaves_unknown
    await until((ssh_host.root / "done").exists)


async def test_a_command_whose_end_nobody_tells_leaves_unknown(ssh_host, drivers: Drivers) -> None:
    ssh_host.tells_status = False
    arguments = {"argv": ["touch", "done"]}
    with pytest.raises(ToolError, match="did not say how") as caught:
        await tool_scene.run(drivers, packaged_catalogue(), "command.run", ssh_host.asset(), **arguments)
    assert caught.value.leaves_unknown
    assert (ssh_host.root / "done").exists()


async def test_a_rename_whose_answer_is_lost_leaves_unknown(
    ssh_host, drivers: Drivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ssh_host.root / "srv" / "shop" / "app.conf"
    file.parent.mkdir(parents=True)
    file.write_text("workers=2\n")
    inner = asyncssh.SFTPClient.posix_rename

    async def done_and_lost(client: Any, *given: Any, **more: Any) -> None:
        await inner(client, *given, **more)
        raise asyncssh.SFTPConnectionLost("Connection closed")

    monkeypatch.setattr(asyncssh.SFTPClient, "posix_rename", done_and_lost)
    arguments = {"path": "/srv/shop/app.conf", "old": "workers=2", "new": "workers=4"}
    with pytest.raises(ToolError) as caught:
        await tool_scene.run(drivers, packaged_catalogue(), "file.replace_text", ssh_host.asset(), **arguments)
    assert file.read_text() == "workers=4\n"
    assert caught.value.leaves_unknown


async def test_a_restart_after_which_nobody_can_look_leaves_unknown(ssh_host, drivers: Drivers) -> None:
    (ssh_host.root / "bin").mkdir()
    supervisor = ssh_host.root / "bin" / "supervisorctl"
    supervisor.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = restart ]; then touch restarted; exit 0; fi\n'
        "if [ -e restarted ]; then echo unix:///run/supervisor.sock refused connection; exit 4; fi\n"
        "echo 'nginx RUNNING pid 7, uptime 1:00:00'\n"
    )
    supervisor.chmod(0o755)
    arguments = {"unit": "nginx", "manager": "supervisor"}
    with pytest.raises(ToolError, match="could not be seen") as caught:
        await tool_scene.run(drivers, packaged_catalogue(), "service.restart", ssh_host.asset(), **arguments)
    assert (ssh_host.root / "restarted").exists()
    assert caught.value.leaves_unknown


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, True),
        (b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", False),
    ],
)
async def test_a_request_that_changes_something_and_is_not_answered_leaves_unknown(
    drivers: Drivers, make_asset, answer: bytes, unknown: bool
) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asset = make_asset("ci", "service", address="127.0.0.1", attributes={"protocol": "http", "port": str(port)})
    driver = {"name": "http.request", "method": "POST", "path": "/jobs/nightly/start"}
    catalogue = tool_scene.catalogue(tool_scene.tool("ci.start", driver, tool_scene.WRITE))
    async with server:
        with pytest.raises(ToolError) as caught:
            await tool_scene.run(drivers, catalogue, "ci.start", asset)
    assert len(asked) == 1
    assert caught.value.leaves_unknown is unknown
    assert caught.value.code == ("end_not_seen" if unknown else "answer_refused")


async def test_a_request_that_was_never_sent_is_told_as_not_done(drivers: Drivers, make_asset) -> None:
    attributes = {"protocol": "http", "port": str(free_port())}
    asset = make_asset("ci", "service", address="127.0.0.1", attributes=attributes)
    driver = {"name": "http.request", "method": "POST", "path": "/jobs/nightly/start"}
    catalogue = tool_scene.catalogue(tool_scene.tool("ci.start", driver, tool_scene.WRITE))
    with pytest.raises(HostUnreachableError) as caught:
        await tool_scene.run(drivers, catalogue, "ci.start", asset)
    assert not caught.value.leaves_unknown


def test_an_asset_is_not_given_free_while_what_ran_there_is_still_being_ended() -> None:
    assert limits.ENDING_S > remote_processes.END_S


SERVER = """
import os, pathlib, sys
from mcp.server.fastmcp import FastMCP
server = FastMCP("test", log_level="ERROR")
done = pathlib.Path(sys.argv[1])
@server.tool()
def vanish() -> str:
    done.touch()
    os._exit(1)
@server.tool()
def flood() -> str:
    done.touch()
    return "x" * 400_000
@server.tool()
def refuse() -> str:
    raise ValueError("no")
server.run("stdio")
"""


@pytest.mark.parametrize(("tool", "unknown"), [("vanish", True), ("flood", True), ("refuse", False)])
async def test_a_tool_of_an_mcp_server_that_does_not_answer_leaves_unknown(
    drivers: Drivers, tmp_path: Path, tool: str, unknown: bool
) -> None:
    done = tmp_path / "done"
    server = {"command": [sys.executable, "-c", SERVER, str(done)]}
    entry = tool_scene.tool("tickets.do", {"name": "mcp", "server": "tickets", "tool": tool}, tool_scene.WRITE)
    catalogue = tool_scene.catalogue(entry | {"timeout_ms": 60_000}, mcp_servers={"tickets": server})
    with pytest.raises(ToolError) as caught:
        await tool_scene.run(drivers, catalogue, "tickets.do", None)
    assert (done.exists(), caught.value.leaves_unknown) == (unknown, unknown)
