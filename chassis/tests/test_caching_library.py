"""What the cache library does beside the protocol: sizes, lifetimes, negatives, refresh, checks, switching, telling."""

from __future__ import annotations

import asyncio
import random
import secrets

import pytest
from opswire.chassis.bus import Bus
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.entry import Entry
from opswire.chassis.caching.flight import Flight
from opswire.chassis.caching.log import InvalidationLog
from opswire.chassis.caching.memory import Memory
from opswire.chassis.caching.transparency import COMPARED_MIN
from opswire.chassis.caching.valkey import EAGER_AT, Valkey
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.errors import RetryableError
from opswire.chassis.metrics import Metrics
from opswire.chassis.settings import ServiceSettings
from opswire.chassis.stages import Stage
from opswire.chassis.telemetry import current_span, span
from opswire.chassis.testing.cache_parts import TextCodec
from opswire.chassis.testing.steady_log import SteadyLog
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import one_turn, until
from opswire.contracts.cache_keys_asked import CacheKeysAsked
from opswire.contracts.cache_keys_told import CacheKeysTold
from opswire.contracts.cache_statistics_reported import CacheStatisticsReported
from opswire.contracts.routes import CACHE_KEYS_ASKED, CACHE_KEYS_TOLD, CACHE_STATISTICS_REPORTED


class Source:
    """What is cached: counts how often it was asked."""

    def __init__(self, value: str = "value") -> None:
        self.value = value
        self.loads = 0
        self.loaded = asyncio.Event()

    async def load(self) -> tuple[str, list[str]]:
        self.loads += 1
        self.loaded.set()
        return self.value, ["tag"]


def made(log: object | None = None, **options: object) -> Cache[str]:
    given = {"ttl_s": 60.0, "metrics": Metrics()} | options
    return Cache("test", TextCodec(), log or SteadyLog(), None, **given)  # type: ignore[arg-type]


def entry_in(cache: Cache[str], key: str) -> Entry[str]:
    entry = cache._memory.peek(key)
    assert entry is not None
    return entry


async def test_a_hit_is_read_without_waiting_and_a_miss_is_none() -> None:
    cache, source = made(), Source()
    assert cache.read_now("a") is None
    assert await cache.read("a", source.load) == ("value", "miss")
    assert cache.read_now("a") == "value"
    assert await cache.read("a", source.load) == ("value", "memory")
    assert source.loads == 1


async def test_a_memory_hit_is_an_attribute_of_the_enclosing_span() -> None:
    cache, source = made(), Source()
    await cache.read("a", source.load)
    with span("work", Stage.INTENT_COMPUTE) as current:
        await cache.read("a", source.load)
    assert current.attributes["opswire.cache.test"] == "memory"


async def test_fresh_goes_to_the_source_and_what_it_brings_is_kept() -> None:
    cache, source = made(), Source()
    await cache.read("a", source.load)
    source.value = "newer"
    assert await cache.read("a", source.load, fresh=True) == ("newer", "bypass")
    assert cache.read_now("a") == "newer"


async def test_a_fresh_read_is_not_undone_by_a_load_that_began_before_it() -> None:
    cache, fresh, go = made(), Source("newer"), asyncio.Event()

    async def slow() -> tuple[str, list[str]]:
        await go.wait()
        return "old", ["tag"]

    slowly = asyncio.create_task(cache.read("a", slow))
    await one_turn()
    await cache.read("a", fresh.load, fresh=True)
    go.set()
    await slowly
    assert cache.read_now("a") == "newer"


async def test_what_expired_is_loaded_again_and_each_entry_may_have_its_own_life() -> None:
    cache, source = made(), Source()
    await cache.read("a", source.load, ttl_s=1_000.0)
    await cache.read("b", source.load, ttl_s=0.001)
    await until(lambda: cache.read_now("b") is None)
    assert await cache.read("b", source.load) == ("value", "miss")
    assert cache.read_now("a") == "value"
    assert cache.ttl_max_s == 1_000.0


async def test_a_negative_result_has_a_short_life_of_its_own() -> None:
    cache, source = made(is_negative=lambda value: value == "none", negative_ttl_s=0.5), Source("none")
    await cache.read("a", source.load)
    entry = entry_in(cache, "a")
    assert entry.expires_s - entry.loaded_s <= 0.5
    source.value = "some"
    await cache.read("b", source.load)
    assert entry_in(cache, "b").expires_s - entry_in(cache, "b").loaded_s > 30
    assert cache.statistics().families[0].negative_fills == 1


async def test_lives_differ_so_that_what_was_filled_together_does_not_expire_together() -> None:
    cache, source = made(), Source()
    for number in range(50):
        await cache.read(str(number), source.load)
    lives = {round(entry_in(cache, str(n)).expires_s - entry_in(cache, str(n)).loaded_s, 3) for n in range(50)}
    assert len(lives) > 25
    assert 54 <= min(lives) <= max(lives) <= 60


async def test_near_its_end_an_entry_is_served_and_loaded_anew_once_in_the_background() -> None:
    cache, source = made(), Source()
    await cache.read("a", source.load)
    entry = entry_in(cache, "a")
    entry.quiet_until_s = entry.refresh_s = 0.0
    source.value = "newer"
    source.loaded.clear()
    assert await cache.read("a", source.load) == ("value", "memory")
    assert await cache.read("a", source.load) == ("value", "memory")
    await source.loaded.wait()
    await until(lambda: cache.read_now("a") == "newer")
    assert source.loads == 2
    assert cache.statistics().families[0].refreshes == 1


async def test_a_refresh_that_fails_keeps_what_is_there_until_its_end() -> None:
    cache, source = made(), Source()
    await cache.read("a", source.load)
    entry = entry_in(cache, "a")
    entry.quiet_until_s = entry.refresh_s = 0.0
    failed = asyncio.Event()

    async def fail() -> tuple[str, list[str]]:
        failed.set()
        raise LookupError

    assert await cache.read("a", fail) == ("value", "memory")
    await failed.wait()
    assert await cache.read("a", fail) == ("value", "memory")


async def test_memory_is_bounded_by_entries_and_by_bytes_and_the_least_recently_used_goes() -> None:
    cache, source = made(entries_max=3), Source()
    for key in "abc":
        await cache.read(key, source.load)
    cache.read_now("a")
    await cache.read("d", source.load)
    assert [cache.read_now(key) is not None for key in "abcd"] == [True, False, True, True]
    assert cache.statistics().families[1].evictions == 1
    cache, source = made(bytes_max=5_000), Source("x" * 1_000)
    for number in range(20):
        await cache.read(str(number), source.load)
    assert 0 < cache.statistics().bytes <= 5_000
    assert cache.read_now("19") is not None


async def test_a_value_over_the_limit_is_answered_and_not_kept() -> None:
    cache, source = made(entry_bytes_max=10), Source("x" * 11)
    assert await cache.read("a", source.load) == ("x" * 11, "miss")
    assert cache.read_now("a") is None


def test_the_index_agrees_with_the_entries_whatever_is_done() -> None:
    chance, cache = random.Random(7), made()
    memory: Memory[str] = Memory(30, 1_000_000)
    for _ in range(3_000):
        key, tags = f"k{chance.randrange(50)}", [f"t{chance.randrange(8)}" for _ in range(chance.randrange(4))]
        action = chance.random()
        if action < 0.7:
            memory.put(key, cache._entry_of(key, "v" * chance.randrange(50), tags, cache._log.stamp, 0.0, None))
        elif action < 0.9:
            memory.drop(tags)
        elif action < 0.99:
            memory.pop(key)
        else:
            memory.drop_all()
        held = dict(memory.entries.items())
        assert memory.bytes == sum(entry.bytes for entry in held.values())
        assert memory._keys_by_tag == {
            tag: {key for key, entry in held.items() if tag in entry.tags}
            for tag in {tag for entry in held.values() for tag in entry.tags}
        }


async def read_until_checked(cache: Cache[str], source: Source, checks: int) -> None:
    async with asyncio.timeout(30):
        while cache.transparency.checked < checks and not cache.off_reason:
            await cache.read("a", source.load)
            await cache.read("a", source.load)
            cache.sample()
            await one_turn()


async def test_hits_that_are_what_the_source_says_are_counted_right() -> None:
    cache, source = made(check_share=1.0), Source()
    await read_until_checked(cache, source, COMPARED_MIN)
    told = cache.statistics()
    assert (told.checked >= COMPARED_MIN, told.wrong, told.is_on) == (True, 0, True)


async def test_what_is_recomputed_in_the_background_is_in_no_requests_trace() -> None:
    cache, enclosing = made(check_share=1.0), []

    class Watched(Source):
        async def load(self) -> tuple[str, list[str]]:
            enclosing.append(current_span())
            return await super().load()

    with span("a request", Stage.INTENT_COMPUTE) as request:
        await read_until_checked(cache, Watched(), 2)
    assert enclosing[0] is request, "the first load is the request's own"
    assert set(enclosing[1:]) == {None}


async def test_wrong_hits_switch_the_cache_off_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opswire.chassis.caching.cache.GRACE_S", 0.0)
    metrics = Metrics()
    cache, source = made(check_share=1.0, metrics=metrics), Source()

    def counted(result: str) -> float | None:
        labels = {"cache": "test", "result": result}
        return metrics.registry.get_sample_value("opswire_cache_hits_checked_total", labels)

    assert (counted("right"), counted("wrong")) == (0, 0)
    async with asyncio.timeout(30):
        while not cache.off_reason:
            source.value = secrets.token_hex(4)  # it changes, and nobody invalidates
            await cache.read("a", source.load)
            await cache.read("a", source.load)
            cache.sample()
            await one_turn()
    told = cache.statistics()
    assert not told.is_on
    assert "recomputed hits were wrong" in told.off_reason
    assert counted("wrong") == told.wrong > 0
    assert (counted("right") or 0) + told.wrong == told.checked
    assert await cache.read("a", source.load) == (source.value, "bypass")
    assert await cache.read("a", source.load) == (source.value, "bypass")
    cache.switch_on()
    await cache.read("a", source.load)
    assert cache.read_now("a") == source.value


async def test_a_cache_that_is_switched_off_keeps_nothing_even_of_what_was_being_loaded() -> None:
    cache, go = made(), asyncio.Event()

    async def slow() -> tuple[str, list[str]]:
        await go.wait()
        return "old", ["tag"]

    loading = asyncio.create_task(cache.read("a", slow))
    await one_turn()
    cache.switch_off("by hand")
    go.set()
    assert (await loading)[0] == "old"
    assert cache.statistics().entries == 0
    assert cache.statistics().off_reason == "by hand"


async def test_statistics_are_by_family_and_survive_eviction() -> None:
    cache, source = made(entries_max=2), Source()
    for key in ("a:1", "a:2", "b:1", "a:1"):
        await cache.read(key, source.load)
        await cache.read(key, source.load)
    families = {family.family: family for family in cache.statistics().families}
    assert (families["a"].memory_hits, families["a"].misses, families["a"].fills) == (3, 3, 3)
    assert (families["b"].memory_hits, families["b"].misses) == (1, 1)
    cache.drop_all()
    assert {f.family: f.memory_hits for f in cache.statistics().families} == {"a": 3, "b": 1}
    for number in range(200):
        await cache.read(f"f{number}:x", source.load)
    assert len(cache.statistics().families) <= 64
    assert sum(family.misses for family in cache.statistics().families) == 204


async def test_a_holder_tells_its_statistics_and_its_keys_by_tag(nats_server: NatsServer, upstream: Upstream) -> None:
    told: asyncio.Queue[bytes] = asyncio.Queue()
    keys: asyncio.Queue[bytes] = asyncio.Queue()
    query = CacheKeysAsked(query_id="0" * 32, tag="tag")

    async def take(message: object) -> None:
        data = message.data  # type: ignore[attr-defined]
        await (keys if "keys_told" in message.subject else told).put(data)  # type: ignore[attr-defined]

    await upstream.client.subscribe(CACHE_STATISTICS_REPORTED.wildcard, cb=take)
    await upstream.client.subscribe(CACHE_KEYS_TOLD.wildcard, cb=take)
    await upstream.client.flush()
    bus = Bus("intent", ServiceSettings(nats_url=nats_server.url))
    await bus.connect()
    log = InvalidationLog(bus, Metrics(), "intent")
    cache, source = made(log), Source()
    await log.start()
    await cache.read("a:1", source.load)
    cache.read_now("a:1")
    async with asyncio.timeout(20):
        while not (report := CacheStatisticsReported.from_bytes(await told.get())).caches[0].top_keys:
            pass
        await upstream.client.publish(CACHE_KEYS_ASKED.template, query.to_bytes())
        answer = CacheKeysTold.from_bytes(await keys.get())
    assert (report.service, report.holder_id, report.inside_lease) == ("intent", log.holder_id, True)
    assert (report.caches[0].entries, report.caches[0].top_keys[0].key) == (1, "a:1")
    assert [(key.cache, key.key, key.tags, key.hits) for key in answer.keys] == [("test", "a:1", ["tag"], 1)]
    await log.stop()
    await bus.client.close()


async def test_valkey_dead_from_the_start_coming_back_and_dying_again_changes_no_answer(
    nats_server: NatsServer, valkey_server: ValkeyServer
) -> None:
    valkey_server.kill()
    valkey = Valkey(valkey_server.url)
    cache, source = made(), Source()
    cache._shared = valkey
    assert await cache.read("a", source.load) == ("value", "miss")
    assert cache.is_shared_away
    await asyncio.to_thread(valkey_server.start)
    await until(lambda: not valkey.is_away)
    await cache.read("b", source.load)
    cache.drop_all()
    assert await cache.read("b", source.load) == ("value", "shared")
    valkey_server.kill()
    cache.drop_all()
    assert await cache.read("b", source.load) == ("value", "miss")
    await asyncio.to_thread(valkey_server.start)
    await until(lambda: not valkey.is_away)
    await cache.read("c", source.load)
    cache.drop_all()
    assert await cache.read("c", source.load) == ("value", "shared")
    await valkey.close()


async def test_many_reads_of_a_turn_are_few_questions(valkey_server: ValkeyServer) -> None:
    valkey = Valkey(valkey_server.url)
    await asyncio.gather(*(valkey.set(f"k{n}", str(n).encode(), 60) for n in range(1_000)))
    assert await asyncio.gather(*(valkey.get(f"k{n}") for n in range(1_000))) == [str(n).encode() for n in range(1_000)]
    several = [f"k{n}" for n in range(EAGER_AT + 1)]  # one more than is asked for before the turn ends
    assert await asyncio.gather(*map(valkey.get, several)) == [str(n).encode() for n in range(EAGER_AT + 1)]
    assert await valkey.get("nothing") is None
    await valkey.close()


async def test_a_reader_that_gives_up_disturbs_no_other(valkey_server: ValkeyServer) -> None:
    valkey = Valkey(valkey_server.url)
    await valkey.set("a", b"1", 60)
    first, second = asyncio.ensure_future(valkey.get("a")), asyncio.ensure_future(valkey.get("a"))
    await one_turn()
    first.cancel()
    assert await second == b"1"
    assert await valkey.get("a") == b"1"
    await valkey.close()


async def test_a_flight_brings_its_end_to_all_who_joined_and_needs_nobody() -> None:
    cache, source = made(), Source()
    await cache.read("a", source.load)
    entry = entry_in(cache, "a")
    alone: Flight[str] = Flight()
    alone.land(entry)
    alone.fail(LookupError("nobody hears of it"))
    flight: Flight[str] = Flight()
    first, second = flight.joined(), flight.joined()
    flight.land(entry)
    assert await first is await second is entry
    failing: Flight[str] = Flight()
    joined = failing.joined()
    failing.fail(asyncio.CancelledError())
    with pytest.raises(RetryableError):
        await joined
