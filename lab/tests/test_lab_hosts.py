"""The lab as it is used: three real hosts, one after another asked, broken, repaired and ended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
import yaml
from opswire.chassis.testing.waiting import until_told
from opswire.lab import Lab, LabError, start
from opswire.lab.__main__ import main
from opswire.lab.processes import is_alive, wait_gone

GONE_TIMEOUT_S = 15.0
EVENT_TIMEOUT_S = 15.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # A name that needs quoting everywhere, and too long for a unix socket.
    state = tmp_path_factory.mktemp("state of 100% a lab; 'long' " + "x" * 60)
    os.environ["OPSWIRE_HTTP_TOKEN"] = "canary-of-the-starter"
    try:
        lab = start(state)
    finally:
        del os.environ["OPSWIRE_HTTP_TOKEN"]
    yield lab
    lab.down()


def all_pids(lab: Lab) -> list[int]:
    """Host processes, supervisors and services."""
    hosts = lab.status().hosts
    supervisors = [lab.paths(host.name).root / "var/run/supervisord.pid" for host in hosts]
    pids = [host.pid for host in hosts] + [service.pid for host in hosts for service in host.services]
    return [pid for pid in pids if pid] + [int(path.read_text()) for path in supervisors]


@asynccontextmanager
async def ssh(lab: Lab, host: str) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection made from the inventory alone, host key checked."""
    asset = inventory(lab)[host]
    attributes = asset["attributes"]
    port = int(attributes["ssh_port"])
    known = asyncssh.import_known_hosts(f"[{asset['address']}]:{port} {attributes['ssh_host_key']}\n")
    key = lab.folder.parent / attributes["credential"].removeprefix("file:")
    async with asyncssh.connect(
        asset["address"],
        port,
        username=attributes["ssh_user"],
        client_keys=[str(key)],
        known_hosts=known,
        config=None,
        agent_path=None,
    ) as connection:
        yield connection


async def run(lab: Lab, host: str, command: str) -> asyncssh.SSHCompletedProcess:
    async with ssh(lab, host) as connection:
        return await asyncio.wait_for(connection.run(command), EVENT_TIMEOUT_S)


def inventory(lab: Lab) -> dict[str, dict]:
    assets = yaml.safe_load(lab.inventory_path.read_text())["assets"]
    return {asset["name"]: asset for asset in assets}


def service_pid(lab: Lab, host: str, service: str) -> int | None:
    found = next(status for status in lab.status().hosts if status.name == host)
    return next(status.pid for status in found.services if status.name == service)


async def get(lab: Lab, asset: str, path: str) -> tuple[int, dict]:
    """A page of a service, asked for without any of the lab's own code."""
    port = int(inventory(lab)[asset]["attributes"]["port"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), EVENT_TIMEOUT_S)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


def test_every_service_runs_as_a_process_of_its_own(lab: Lab) -> None:
    status = lab.status()
    assert status.is_up
    services = {f"{service.name}@{host.name}": service for host in status.hosts for service in host.services}
    assert set(services) == {
        "storefront@web-01",
        "checkout@web-01",
        "storefront@web-02",
        "checkout@web-02",
        "orders-cache@db-01",
        "orders-db@db-01",
    }
    assert {service.state for service in services.values()} == {"RUNNING"}
    pids = all_pids(lab)
    assert len(set(pids)) == len(pids) == 12
    assert all(map(is_alive, pids))


def test_a_second_up_says_so_and_touches_nothing(lab: Lab) -> None:
    before = all_pids(lab)
    report = Lab(lab.folder.parent).up()
    assert report.started == ()
    assert report.already_up == ("web-01", "web-02", "db-01")
    assert all_pids(lab) == before


def test_the_command_line_tells_the_state(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    state = ["--state-dir", str(lab.folder.parent)]
    assert main(["status", *state, "--json"]) == 0
    assert [host["state"] for host in json.loads(capsys.readouterr().out)["hosts"]] == ["up", "up", "up"]
    assert main(["up", *state]) == 0
    assert "already up" in capsys.readouterr().out


async def test_supervisorctl_names_the_pid_of_the_real_process(lab: Lab) -> None:
    result = await run(lab, "web-01", "supervisorctl status checkout")
    assert result.exit_status == 0
    match = re.fullmatch(r"checkout +RUNNING +pid (\d+), uptime \S+\n", str(result.stdout))
    assert match
    pid = int(match[1])
    assert pid == service_pid(lab, "web-01", "checkout")
    assert b"opswire.lab.services.checkout" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert result.stderr == ""


async def test_a_restart_gives_another_process(lab: Lab) -> None:
    before = service_pid(lab, "web-02", "checkout")
    other = service_pid(lab, "web-01", "checkout")
    assert before
    result = await run(lab, "web-02", "supervisorctl restart checkout")
    assert result.exit_status == 0, result.stderr
    after = service_pid(lab, "web-02", "checkout")
    assert after
    assert after != before
    assert not is_alive(before)
    assert service_pid(lab, "web-01", "checkout") == other


async def test_a_command_gets_its_status_its_streams_and_only_the_hosts_environment(lab: Lab) -> None:
    async with ssh(lab, "db-01") as connection:
        result = await connection.run("cat; echo oops >&2; exit 7", input="ping")
        assert (result.stdout, result.stderr, result.exit_status) == ("ping", "oops\n", 7)
        assert (await connection.run("hostname")).stdout == "db-01\n"
        killed = await connection.run("kill -9 $$")
        assert killed.exit_signal is not None
        assert killed.exit_signal[0] == "KILL"
        environment = str((await connection.run("env", env={"LD_PRELOAD": "evil.so"})).stdout)
        assert "canary-of-the-starter" not in environment
        assert "LD_PRELOAD" not in environment
        shell = await connection.run(None)
        assert shell.exit_status == 1
        assert "Welcome to db-01" in str(shell.stdout)
    host = next(status for status in lab.status().hosts if status.name == "db-01")
    assert b"canary-of-the-starter" not in Path(f"/proc/{host.pid}/environ").read_bytes()


async def test_absolute_paths_mean_the_hosts_files(lab: Lab) -> None:
    result = await run(lab, "web-01", "tail -n 1000 /var/log/checkout.log | grep -c listens; cat /etc/shadow")
    assert str(result.stdout).strip() == "1"
    assert "No such file" in str(result.stderr)


async def test_a_command_ends_with_its_channel(lab: Lab) -> None:
    async with ssh(lab, "web-01") as connection:
        process = await connection.create_process("sleep 300 & echo $! $$; wait")
        pids = [int(word) for word in (await process.stdout.readline()).split()]
        assert all(map(is_alive, pids))
    for pid in pids:
        assert await asyncio.to_thread(wait_gone, pid, GONE_TIMEOUT_S)


async def test_background_children_do_not_hold_up_the_answer(lab: Lab) -> None:
    result = await run(lab, "web-01", "sleep 300 & echo $!")
    assert result.exit_status == 0
    assert await asyncio.to_thread(wait_gone, int(str(result.stdout)), GONE_TIMEOUT_S)


async def test_another_key_another_user_and_another_host_key_are_refused(lab: Lab) -> None:
    port = lab.ports()["web-01"]["ssh"]
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    options = {"known_hosts": None, "config": None, "agent_path": None, "password": "opswire"}
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect("127.0.0.1", port, username="opswire", client_keys=[stranger], **options)
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect("127.0.0.1", port, username="root", client_keys=[str(lab.client_key_path)], **options)
    key_of_another = inventory(lab)["web-02"]["attributes"]["ssh_host_key"]
    known = asyncssh.import_known_hosts(f"[127.0.0.1]:{port} {key_of_another}\n")
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        await asyncssh.connect("127.0.0.1", port, username="opswire", known_hosts=known, config=None)
    assert lab.client_key_path.stat().st_mode & 0o777 == 0o600


async def test_files_are_read_inside_the_host_only(lab: Lab) -> None:
    root = lab.paths("web-01").root
    (root / "var" / "way-out").symlink_to("/etc")
    (root / "var" / "way-in").symlink_to(root / "etc")
    os.mkfifo(root / "var" / "pipe")
    async with ssh(lab, "web-01") as connection, connection.start_sftp_client() as sftp:

        async def read(path: str) -> str:
            async with sftp.open(path) as file:
                return str(await file.read())

        assert re.search(r"^\S+Z INFO checkout \(production\) listens on ", await read("/var/log/checkout.log"))
        assert "web-01" in await read("/etc/motd")
        assert "web-01" in await read("../../../../../../../../etc/motd")
        assert "web-01" in await read("/var/way-in/motd")
        assert {"log", "way-out"} <= set(await sftp.listdir("/var"))
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await read("../../../../../../../../etc/passwd")
        for path in ("/var/way-out/passwd", "/var/pipe"):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await read(path)
        for ask in (sftp.stat, sftp.listdir):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await ask("/var/way-out")


async def test_web_01_reaches_the_cache_on_db_01_through_its_ssh(lab: Lab) -> None:
    port = lab.ports()["db-01"]["orders-cache"]
    async with ssh(lab, "web-01") as connection:
        reader, writer = await connection.open_connection("127.0.0.1", port)
        writer.write(b"PING\r\n")
        assert await asyncio.wait_for(reader.readline(), EVENT_TIMEOUT_S) == b"+PONG\r\n"
        writer.close()
        with pytest.raises(asyncssh.ChannelOpenError, match="loopback only"):
            await connection.open_connection("192.0.2.1", 443)


async def test_checkout_really_depends_on_the_cache(lab: Lab) -> None:
    status, page = await get(lab, "storefront@web-01", "/orders")
    assert status == 200
    assert page["orders"][0]["item"] == "mechanical keyboard"
    assert (await get(lab, "checkout@web-01", "/orders"))[1]["from"] == "cache"
    assert (await get(lab, "checkout@web-02", "/orders"))[1]["from"] == "file"

    assert (await run(lab, "db-01", "supervisorctl stop orders-cache")).exit_status == 0
    status, health = await get(lab, "checkout@web-01", "/health")
    assert status == 503
    assert "connection refused" in health["dependencies"]["orders-cache"]
    assert (await get(lab, "storefront@web-01", "/orders"))[0] == 502
    log = str((await run(lab, "web-01", "cat /var/log/checkout.log")).stdout)
    assert re.search(r"ERROR orders-cache at \S+ is away: connection refused", log)
    assert re.search(r"ERROR GET /orders 502", log)

    assert (await run(lab, "db-01", "supervisorctl start orders-cache")).exit_status == 0
    assert (await get(lab, "checkout@web-01", "/health"))[0] == 200


async def test_the_orders_database_keeps_what_it_is_told(lab: Lab) -> None:
    port = lab.ports()["db-01"]["orders-db"]
    order = {"id": 2001, "item": "whiteboard", "count": 1, "state": "paid"}

    async def ask(*lines: str) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("".join(f"{line}\n" for line in lines).encode())
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), EVENT_TIMEOUT_S)
        writer.close()
        return answer.decode().splitlines()

    assert await ask("PING", f"ADD {json.dumps(order)}", "ADD [1]", "DROP", "COUNT") == [
        "OK 0",
        "OK 0",
        "ERROR order refused",
        "ERROR unknown command",
        "OK 1",
        "6",
    ]
    assert (await run(lab, "db-01", "supervisorctl restart orders-db")).exit_status == 0
    assert [json.loads(row) for row in (await ask("LIST 1"))[1:]] == [order]


async def test_a_killed_service_is_started_again_by_its_supervisor(lab: Lab) -> None:
    before = service_pid(lab, "web-02", "storefront")
    assert before
    os.kill(before, signal.SIGKILL)

    async def is_another() -> bool:
        pid = await asyncio.to_thread(service_pid, lab, "web-02", "storefront")
        return pid is not None and pid != before

    await until_told(is_another)
    assert not is_alive(before)


async def test_a_crashed_host_is_seen_takes_its_services_along_and_comes_back(lab: Lab) -> None:
    web_02 = lab.status().hosts[1]
    services = [service.pid for service in web_02.services if service.pid]
    assert web_02.pid
    os.kill(web_02.pid, signal.SIGKILL)
    for pid in (web_02.pid, *services):
        assert await asyncio.to_thread(wait_gone, pid, GONE_TIMEOUT_S)
    assert [host.state for host in lab.status().hosts] == ["up", "crashed", "up"]
    report = await asyncio.to_thread(lab.up)
    assert report.started == ("web-02",)
    assert report.already_up == ("web-01", "db-01")
    assert lab.status().is_up


def test_down_leaves_no_process_even_of_a_supervisor_that_was_killed(lab: Lab) -> None:
    pids = all_pids(lab)
    supervisor = int((lab.paths("db-01").root / "var/run/supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    assert wait_gone(supervisor, GONE_TIMEOUT_S)
    assert [host.state for host in lab.status().hosts] == ["up", "up", "degraded"]
    assert lab.down() == ("web-01", "web-02", "db-01")
    assert [pid for pid in pids if is_alive(pid)] == []
    assert {host.state for host in lab.status().hosts} == {"down"}
    assert not any(lab.paths(host.name).supervisor_socket.parent.is_dir() for host in lab.status().hosts)
    assert lab.down() == ()


def test_a_port_that_was_taken_meanwhile_is_chosen_again(lab: Lab) -> None:
    lab.down()
    before = lab.ports()
    key = lab.client_key_path.read_bytes()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", before["db-01"]["orders-cache"]))
        squatter.listen()
        lab.up()
    after = lab.ports()
    assert after["db-01"]["orders-cache"] != before["db-01"]["orders-cache"]
    assert after["web-01"] == before["web-01"]
    assert inventory(lab)["orders-cache@db-01"]["attributes"]["port"] == str(after["db-01"]["orders-cache"])
    assert lab.client_key_path.read_bytes() == key
    assert asyncio.run(get(lab, "checkout@web-01", "/health"))[0] == 200


def test_a_host_that_cannot_start_is_named_and_nothing_stays_behind(lab: Lab) -> None:
    lab.down()
    key = lab.paths("web-02").host_key
    text = key.read_text()
    key.write_text("no key at all\n")
    with pytest.raises(LabError, match=r"web-02 did not come up: .*KeyImportError"):
        lab.up()
    assert {host.state for host in lab.status().hosts} == {"down"}
    supervisors = [lab.paths(name).root / "var/run/supervisord.pid" for name in ("web-01", "web-02", "db-01")]
    assert [path for path in supervisors if path.exists() and is_alive(int(path.read_text()))] == []
    key.write_text(text)
