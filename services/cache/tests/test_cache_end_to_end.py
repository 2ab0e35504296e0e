"""The cache service in the whole system, every service a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opswire.cache.app import create_app
from opswire.cache.settings import CacheSettings
from opswire.chassis.testing.system import TOKEN, System
from opswire.chassis.testing.waiting import until_told
from pydantic import SecretStr

INVENTORY = """assets:
  - {name: web-01, type: host, environment: production, address: 10.0.0.1, aliases: [shop]}
  - {name: web-02, type: host, environment: staging, address: 10.0.0.2}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system")) as running:
        running.import_inventory(INVENTORY)
        yield running


@pytest.fixture
async def second(system: System, tmp_path: Path, as_running: Callable[..., Any]) -> AsyncIterator[Any]:
    """A second replica of the cache service, which knows where the inventory is and keeps a canary."""
    settings = CacheSettings(
        nats_url=system.nats.url,
        http_token=SecretStr(TOKEN),
        state_dir=tmp_path,
        assets_url=system.url("assets"),
        canary_interval_s=0.1,
    )
    service = create_app(settings)
    await service.start()
    yield as_running(service)
    await service.stop()


async def test_the_canary_is_made_changed_and_never_seen_old(second: Any) -> None:
    found = await second.until("/cache/stats", lambda found: found["canary"]["rounds"] >= 5)
    assert found["canary"]["stale_reads"] == 0
    assert 0 < found["canary"]["median_s"] < 5


async def test_an_assets_invalidation_names_its_id_and_every_name(second: Any) -> None:
    status, done = await second.call("POST", "/cache/invalidate/web-01")
    assert status == 200, done
    assert {"inventory", "name:web-01", "name:shop"} <= set(done["tags"])
    assert any(tag.startswith("asset:") and tag != "asset:web-01" for tag in done["tags"])
    assert {"intent", "assets", "executor", "cache"} <= {holder["service"] for holder in done["holders"]}
    assert done["note"] == ""
    _, unknown = await second.call("POST", "/cache/invalidate/no-such-host")
    assert "no such asset" in unknown["note"]


async def test_warming_fills_the_caches_of_the_processes_that_serve(second: Any) -> None:
    texts = ["show the details of web-01", "show the details of web-02"]
    status, begun = await second.call("POST", "/cache/warm", {"requests": texts})
    assert (status, begun["total"]) == (202, 2)
    run = await second.until("/cache/warm", lambda found: found["state"] != "running")
    assert (run["state"], run["completed"]) == ("done", 2)
    found = await second.until("/cache/keys?tag=name:web-02", lambda found: found["keys"])
    assert {key["service"] for key in found["keys"]} == {"assets"}
    _, done = await second.call("POST", "/cache/invalidate", {"tags": ["name:web-02"]})
    assert done["acknowledged"] is True
    _, after = await second.call("GET", "/cache/keys?tag=name:web-02")
    assert after["keys"] == []


async def test_a_paused_holder_is_named_and_fenced_and_then_waited_for_no_longer(system: System, second: Any) -> None:
    system.pause("intent")
    try:
        _, first = await second.call("POST", "/cache/invalidate", {"tags": ["a"]})
        assert (first["by"], {holder["service"] for holder in first["late"]}) == ("lease", {"intent"})
        assert first["fenced_after_ms"] == pytest.approx(280)
        assert first["took_ms"] >= 250
    finally:
        system.resume("intent")

    async def is_back() -> bool:
        """It registers anew in its own time."""
        _, done = await second.call("POST", "/cache/invalidate", {"tags": ["a"]})
        late = {holder["service"] for holder in done["late"]}
        return "intent" in {holder["service"] for holder in done["holders"]} - late

    await until_told(is_back)
