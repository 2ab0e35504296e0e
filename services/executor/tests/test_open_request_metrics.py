"""How many requests are open and how old the oldest is, at /metrics: people and services told apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from change_scene import Scene, change
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.executor.adapters.open_request_metrics import OpenRequestMetrics, tell_open_requests
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.usecases.story import Key
from prometheus_client import CollectorRegistry

MINUTE_NS = 60_000_000_000


@pytest.fixture
def scene(service: Service, tmp_path: Path) -> Scene:
    made = Scene(service, tmp_path / "one")
    made.modes.mode = "normal"
    return made


async def test_who_waits_for_people_is_told_apart_from_who_waits_for_services(
    scene: Scene, service: Service, make_context, make_asset: Callable[..., Asset], upstream_of
) -> None:
    requests, registry = OpenRequests(service.bus.client, service.sender.facts), CollectorRegistry()
    OpenRequestMetrics(requests, registry, lambda: time.time_ns() + MINUTE_NS)

    async def told() -> dict[str, tuple[float, bool]]:
        await requests.overdue(0)
        found = {}
        for whom in ("people", "services"):
            count = registry.get_sample_value("opswire_open_requests", {"waiting_for": whom})
            age_s = registry.get_sample_value("opswire_open_request_oldest_age_seconds", {"waiting_for": whom})
            assert count is not None
            assert age_s is not None
            found[whom] = (count, age_s >= 60)
        return found

    assert await told() == {"people": (0, False), "services": (0, False)}
    web = make_asset("web-01", environment="staging")
    key: Key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await upstream_of(key)
    assert await told() == {"people": (0, False), "services": (1, True)}
    assert await scene.go_on(key) is None
    assert await told() == {"people": (1, True), "services": (0, False)}
    await scene.say(key, "sam", "deny")
    assert await scene.go_on(key) is not None
    assert await told() == {"people": (0, False), "services": (0, False)}


def test_the_same_requests_are_told(service: Service) -> None:
    requests, registry = OpenRequests(service.bus.client, service.sender.facts), CollectorRegistry()
    assert tell_open_requests(requests, registry) is requests
    assert registry.get_sample_value("opswire_open_requests", {"waiting_for": "people"}) == 0
