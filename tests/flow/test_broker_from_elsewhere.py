"""The same request over a broker that is not ours to start: the wheel's, and a container's where an engine answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
import nats
import pytest
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.provision import drift, provision, stream_configs
from opswire.contracts.routes import ROUTES
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

IMAGE = "nats:2.15"


def engine_answers() -> bool:
    """Whether a container engine runs on this machine."""
    try:
        docker.from_env(timeout=2).ping()
    except (docker.errors.DockerException, OSError):
        return False
    return True


@contextmanager
def broker(kind: str, directory: Path) -> Iterator[str]:
    """The URL of a running, empty broker."""
    if kind == "wheel":
        with NatsServer(directory / "nats") as server:
            yield server.url
        return
    with DockerContainer(IMAGE).with_command("--jetstream").with_exposed_ports(4222) as container:
        wait_for_logs(container, "Server is ready", timeout=30)
        yield f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"


@pytest.mark.parametrize("kind", ["wheel", *(["container"] if engine_answers() else [])])
def test_provisioning_leaves_no_drift_on_any_broker(kind: str, tmp_path: Path) -> None:
    async def differences(url: str) -> list[str]:
        report = await provision(url)
        assert len(report.created) == len(stream_configs(1)) + sum(len(route.consumers) for route in ROUTES)
        client = await nats.connect(url)
        try:
            taken = [(route, consumer) for route in ROUTES for consumer in route.consumers]
            return await drift(client, taken, 1, {config["name"] for config in stream_configs(1)})
        finally:
            await client.close()

    with broker(kind, tmp_path) as url:
        assert asyncio.run(differences(url)) == []
