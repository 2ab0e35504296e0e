"""The embedded servers, run for real: start, kill, restart on the same port, and what survives it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import nats
import pytest
from opswire.chassis.embedded.nats_server import NatsServer, nats_binary
from opswire.chassis.embedded.ports import free_port, is_free
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.valkey_server import ValkeyServer, valkey_binary
from redis import Redis


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_binaries_come_from_this_environment() -> None:
    assert nats_binary().is_relative_to(Path(sys.prefix).resolve())
    assert valkey_binary().is_relative_to(Path(sys.prefix).resolve())


async def test_nats_keeps_port_and_acknowledged_messages_over_a_kill(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "a store") as server:
        url = server.url
        connection = await nats.connect(url)
        jetstream = connection.jetstream()
        await jetstream.add_stream(name="KEPT", subjects=["kept.>"])
        await jetstream.publish("kept.one", b"1")
        await connection.close()
        server.kill()
        assert not server.running
        server.start()
        assert server.url == url
        connection = await nats.connect(url)
        message = await connection.jetstream().get_msg("KEPT", 1)
        await connection.close()
        assert message.data == b"1"
    assert not server.running
    assert is_free(server.port)


@pytest.mark.parametrize(("sync_always", "expected"), [(True, True), (False, None)])
def test_nats_runs_with_the_sync_setting_that_was_asked_for(
    tmp_path: Path, sync_always: bool, expected: bool | None
) -> None:
    with NatsServer(tmp_path, sync_always=sync_always) as server:
        with urllib.request.urlopen(f"{server.monitor_url}/jsz", timeout=5) as answer:
            settings = json.load(answer)["config"]
        assert settings.get("sync_always") == expected
        assert settings["store_dir"].startswith(str(tmp_path))


async def test_nats_listens_on_loopback_with_a_megabyte_limit(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server:
        connection = await nats.connect(server.url)
        assert connection.max_payload == 1_048_576
        assert connection.connected_server_version is not None
        await connection.close()
        assert "listen: 127.0.0.1:" in (tmp_path / "nats.conf").read_text()


def test_valkey_keeps_its_port_and_writes_nothing_to_disk(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        client = Redis.from_url(server.url)
        client.set("key", "value")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        client.close()
        port = server.port
        server.kill()
        server.start()
        assert server.port == port
        client = Redis.from_url(server.url)
        assert client.get("key") is None
        client.close()
    assert [path.name for path in tmp_path.iterdir()] == ["valkey.log"]


@pytest.mark.parametrize("kind", [NatsServer, ValkeyServer])
def test_a_taken_port_is_an_error_that_says_why(tmp_path: Path, kind: type[NatsServer | ValkeyServer]) -> None:
    with kind(tmp_path / "first", 0) as first:
        second = kind(tmp_path / "second", first.port)
        with pytest.raises(EmbeddedServerError, match="ddress already in use"):
            second.start()
        assert first.running
        assert first.answers()


@pytest.mark.parametrize("kind", [NatsServer, ValkeyServer])
def test_a_port_lost_to_another_is_replaced_where_it_was_ours_to_choose(
    tmp_path: Path, kind: type[NatsServer | ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    with kind(tmp_path / "first", 0) as first:
        ports = iter([first.port, free_port(), free_port(), free_port()])
        module = sys.modules[kind.__module__]
        monkeypatch.setattr(module, "free_port", lambda avoid=frozenset(): next(ports))
        with kind(tmp_path / "second", 0) as second:
            assert second.port != first.port
            assert second.answers()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_servers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, pathlib
        from opswire.chassis.embedded.nats_server import NatsServer
        from opswire.chassis.embedded.valkey_server import ValkeyServer
        store = pathlib.Path(sys.argv[1])
        servers = [NatsServer(store / "n").start(), ValkeyServer(store / "v").start()]
        print(*(server.pid for server in servers), flush=True)
        sys.stdin.read()
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    descriptors = [open_pidfd(pid) for pid in pids]
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    for descriptor in descriptors:
        assert ends_within(descriptor, timeout_s=10)
    assert not any(alive(pid) for pid in pids)


def open_pidfd(pid: int) -> int:
    """A descriptor that becomes readable when the process ends."""
    return os.pidfd_open(pid)


def ends_within(descriptor: int, timeout_s: float) -> bool:
    """Wait for the end of the process behind a descriptor."""
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)
