"""People may be given a week to decide: an executor that starts meanwhile knows what waits for them, and ends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from change_scene import Scene, change
from opswire.chassis.service import Service
from opswire.contracts.findings import Asset
from opswire.executor.adapters import open_requests
from opswire.executor.adapters.open_requests import OpenRequests
from opswire.executor.usecases.story import Key

DAY_S = 86_400
DAYS = 3


@pytest.fixture
async def waiting(
    service: Service,
    tmp_path: Path,
    upstream_of: Callable[..., Awaitable[None]],
    make_context: Callable[..., Any],
    make_asset: Callable[..., Asset],
) -> Key:
    """A request about which people were asked, who have a week."""
    scene = Scene(service, tmp_path / "one", window_s=7 * DAY_S)
    scene.modes.mode = "normal"
    web = make_asset("web-01", environment="staging")
    key = await scene.request(make_context("service.restart", assets=[web]), change(1, web, "restart"))
    await upstream_of(key)
    assert await scene.go_on(key) is None
    return key


@pytest.fixture
def days_later(monkeypatch: pytest.MonkeyPatch) -> int:
    """An executor that starts now thinks that everything on record was stored some days ago."""
    real = time.time
    monkeypatch.setattr(open_requests.time, "time", lambda: real() + DAYS * DAY_S)
    return time.time_ns() + DAYS * DAY_S * 1_000_000_000


async def test_what_waits_for_people_is_found_days_later(service: Service, waiting: Key, days_later: int) -> None:
    requests = OpenRequests(service.bus.client, service.sender.facts)
    assert await requests.overdue(days_later) == []
    assert [one.request_id for one in requests.undecided] == [waiting.request_id]
    expired_ns = days_later + 5 * DAY_S * 1_000_000_000
    assert [one.request_id for one in await requests.overdue(expired_ns)] == [waiting.request_id]


async def test_what_was_finished_days_ago_is_not_found(
    service: Service, waiting: Key, days_later: int, tmp_path: Path
) -> None:
    scene = Scene(service, tmp_path / "two", window_s=7 * DAY_S)
    await scene.cancel(waiting)
    assert await scene.go_on(waiting) is not None
    requests = OpenRequests(service.bus.client, service.sender.facts)
    assert await requests.overdue(days_later + 5 * DAY_S * 1_000_000_000) == []
    assert requests.all == []
