"""A cache service on a real broker, asked over HTTP, and a real browser that looks at its page."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from opswire.cache.app import create_app
from opswire.cache.settings import CacheSettings
from opswire.chassis.caching.cache import Cache
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.service import Service
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.testing.cache_parts import TextCodec
from opswire.chassis.testing.waiting import until_told
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.cache_statistics_reported.v1 import CacheStatistics, FamilyCounts, KeyHits
from opswire.contracts.routes import CACHE_STATISTICS_REPORTED
from pydantic import SecretStr

TOKEN = "token-of-a-test"


@dataclass(slots=True)
class Running:
    """The service, and calls to it beside the loop."""

    service: Service
    token: str = TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.http_port}"

    async def call(self, method: str, path: str, body: object = None, token: str | None = TOKEN) -> tuple[int, Any]:
        """Status and JSON of one answer; `body` may be bytes or what becomes JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await asyncio.to_thread(
            _asked, urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        )

    async def until(self, path: str, is_there: Callable[[Any], bool]) -> Any:
        """The answer of `path` once it is as wanted. Raises TimeoutError."""
        last: list[Any] = []

        async def answers() -> bool:
            last[:] = [(await self.call("GET", path))[1]]
            return is_there(last[0])

        await until_told(answers)
        return last[0]


def _asked(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def make_settings(nats_server: NatsServer, tmp_path: Path) -> Callable[..., CacheSettings]:
    """Settings for a service on the test's broker."""

    def make(**more: Any) -> CacheSettings:
        return CacheSettings(
            nats_url=nats_server.url, http_token=SecretStr(TOKEN), state_dir=tmp_path / "state", **more
        )

    return make


@pytest_asyncio.fixture
async def start_cache(make_settings: Callable[..., CacheSettings]) -> AsyncIterator[Callable[..., Any]]:
    """Starts cache services; stops those that the test has not stopped."""
    running: list[Service] = []

    async def start(**more: Any) -> Running:
        service = create_app(make_settings(**more))
        await service.start()
        running.append(service)
        return Running(service)

    yield start
    for service in running:
        if not service._stop.is_set():
            await service.stop()


@pytest.fixture
def as_running() -> Callable[[Service], Running]:
    """Calls to a service that a test made itself."""
    return Running


@pytest_asyncio.fixture
async def cache_service(start_cache: Callable[..., Any]) -> Running:
    """A running cache service without an inventory."""
    found: Running = await start_cache()
    return found


class Holder:
    """One process' worth of caching: a service that takes no message, with a cache of its own."""

    def __init__(self, settings: ServiceSettings, name: str, cache: str = "context", **options: Any) -> None:
        self.service = Service(name, "0", settings)
        self.log = self.service.log
        self.cache: Cache[str] = Cache(cache, TextCodec(), self.log, None, self.service.metrics, ttl_s=600.0, **options)

    async def read(self, key: str, value: str, *tags: str) -> tuple[str, str]:
        """What the cache answers where its source says `value`, and from where."""

        async def load() -> tuple[str, list[str]]:
            return value, list(tags)

        return await self.cache.read(key, load)

    async def fill(self, key: str, value: str, *tags: str) -> None:
        """Have it in memory, however busy the machine is."""

        async def is_kept() -> bool:
            return (await self.read(key, value, *tags))[1] == "memory"

        await until_told(is_kept)


@pytest_asyncio.fixture
async def start_holder(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts processes that cache, as far as the cache service can tell."""
    holders: list[Holder] = []

    async def start(name: str, **options: Any) -> Holder:
        holder = Holder(ServiceSettings(nats_url=nats_server.url, state_dir=tmp_path / "state"), name, **options)
        await holder.service.start()
        holders.append(holder)
        return holder

    yield start
    for holder in holders:
        await holder.service.stop()


@pytest_asyncio.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A plain client of the broker."""
    connection = await nats.connect(nats_server.url)
    yield connection
    await connection.close()


@pytest.fixture
def tell(client: Client) -> Callable[..., Any]:
    """Speaks as a process that caches."""

    async def tell_as(holder_id: str, hits: int, misses: int, key: str = "web-01", **more: Any) -> None:
        family = FamilyCounts(family="named", memory_hits=hits, misses=misses, fills=misses)
        cache = CacheStatistics(
            cache=more.pop("cache", "context"),
            is_on=more.pop("is_on", True),
            entries=3,
            bytes=1_200,
            oldest_age_s=5.0,
            families=[family],
            top_keys=[KeyHits(key=key, hits=hits)],
            **{name: more.pop(name) for name in ("checked", "wrong", "off_reason") if name in more},
        )
        report = CacheStatisticsReported(
            holder_id=holder_id,
            service="assets",
            started_ns=more.pop("started_ns", time.time_ns()),
            applied=7,
            inside_lease=more.pop("inside_lease", True),
            caches=[cache],
            at_ns=time.time_ns(),
        )
        await client.publish(CACHE_STATISTICS_REPORTED.subject(holder_id=holder_id), report.to_bytes())
        await client.flush()

    return tell_as
