"""Entries as bytes of the shared level, on a real Valkey: what is written, and what is not taken for an entry."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import time
from collections.abc import AsyncIterator
from typing import Any
from zlib import crc32

import pytest
from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.entry import CHECK_BYTES, FORMAT, HEAD, pack
from opswire.chassis.caching.stamp import Stamp
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.embedded.valkey_server import ValkeyServer
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.cache_parts import TextCodec
from opswire.chassis.testing.steady_log import SteadyLog
from opswire.chassis.testing.waiting import until
from redis.asyncio import Redis

STAMP = SteadyLog.stamp


class Late:
    """A shared level that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.get_running_loop().create_future()

    def get(self, key: str) -> asyncio.Future[bytes | None]:
        self.asked.set()
        return self.answer

    async def set(self, key: str, data: bytes, ttl_s: float) -> None:
        raise AssertionError(key)


class Shared:
    """A server, and caches that share it."""

    def __init__(self, url: str) -> None:
        self.raw: Redis = Redis.from_url(url)
        self.level = Valkey(url)

    def cache(self) -> Cache[str]:
        return Cache("test", TextCodec(), SteadyLog(), self.level, Metrics(), ttl_s=60.0)  # type: ignore[arg-type]

    async def lay(self, key: str, data: bytes, layout: str = FORMAT) -> None:
        await self.raw.set(f"opswire:{layout}:test:{key}", data)

    async def read(self, cache: Cache[str], key: str, value: str, tag: str = "a") -> tuple[str, str]:
        """A read while the server is there: a busy machine may take longer than is waited for it."""

        async def load() -> tuple[str, list[str]]:
            return value, [tag]

        await until(lambda: not self.level.is_away)
        return await cache.read(key, load)


@pytest.fixture
async def shared(valkey_server: ValkeyServer) -> AsyncIterator[Shared]:
    made = Shared(valkey_server.url)
    yield made
    await made.level.close()
    await made.raw.aclose()


def refused(cache: Cache[str]) -> tuple[int, int]:
    """How many entries were poisoned, and how many stale."""
    families = cache.statistics().families
    return sum(family.poisoned for family in families), sum(family.stale_shared for family in families)


def sealed(names: bytes, value: bytes = b"poison", tags: int = 1, length: int | None = None, **head: Any) -> bytes:
    """Bytes that a checksum vouches for, whatever they are."""
    size = len(names) if length is None else length
    place = (head["sequence"], head["proof"], head.get("loaded", time.time()), head.get("ttl_s", 60.0))
    body = HEAD.pack(*place, size, tags) + names + value
    return body + crc32(body).to_bytes(CHECK_BYTES, "little")


def of_the_last_format(stamp: Stamp) -> bytes:
    """An entry as the release before this one wrote it, whole and of this key."""
    names = json.dumps(["a", stamp.history, ["a"]]).encode()
    body = struct.pack(">IQQdd", len(names), stamp.sequence, stamp.mark_ns, time.time(), 60.0) + names + b"poison"
    return body + crc32(body).to_bytes(CHECK_BYTES, "little")


def poisons(stamp: Stamp) -> list[bytes]:
    here: dict[str, Any] = {"sequence": stamp.sequence, "proof": stamp.proof}
    texts = [
        sealed(names, **here)
        for names in (b"", b"a", b"a\0b", b"b\0a\0", b"a\0a\0a", b"\0", b"\xff\0a", b"a\0\xed\xa0\x80")
    ]
    texts += [sealed(b"a\0a", tags=tags, **here) for tags in (0, 2, 2**32 - 1)]
    texts += [sealed(b"a\0a", length=length, **here) for length in (0, 2, 4, 2**32 - 1)]
    texts += [sealed(b"a\0a", b"\xff\xfe", **here)]
    texts += [sealed(b"a\0a", **here | {"loaded": math.nan}), sealed(b"a\0a", **here | {"ttl_s": math.nan})]
    texts += [sealed(b"a\0a", **here | {"sequence": sequence}) for sequence in (stamp.sequence + 1, 2**64 - 1)]
    texts += [sealed(b"a\0a", **here | {"proof": proof}) for proof in (bytes(16), stamp.proof[::-1])]
    texts += [b"", b"\xff\xfe", b"null", b"7", b'"abcdef"', b"{}", b"[" * 5_000, b"not json", b"\x80\x04K\x01."]
    texts += [of_the_last_format(stamp), crc32(b"").to_bytes(CHECK_BYTES, "little")]
    whole = pack("a", stamp, 0.0, 60.0, ("a",), b"poison")
    texts += [
        whole[:-1],
        whole + b" ",
        whole[:20] + b"?" + whole[21:],
        whole[:-8] + b"?" + whole[-7:],
        whole[:-4] + bytes(4),
    ]
    texts += [pack("b", stamp, 0.0, 60.0, ("a",), b"poison"), pack("a", stamp, 0.0, 60.0, ("a\0b",), b"poison")]
    return texts


def test_what_is_sealed_is_what_the_cache_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the poisons above would be refused for the wrong reason."""
    stamp = Stamp("history", 7, 8)
    monkeypatch.setattr("opswire.chassis.caching.entry.time", lambda: 1_000.0)
    made = sealed(b"a\0k", sequence=7, proof=stamp.proof, loaded=999.0)
    assert made == pack("k", stamp, 1.0, 60.0, ("a",), b"poison")


@pytest.mark.parametrize("poison", poisons(STAMP))
async def test_foreign_bytes_are_a_counted_miss(shared: Shared, poison: bytes) -> None:
    cache = shared.cache()
    await shared.lay("a", poison)
    assert await shared.read(cache, "a", "true") == ("true", "miss")
    while not sum(refused(cache)):  # the server was slow: nothing was read
        await shared.lay("a", poison)
        cache.drop_all()
        assert await shared.read(cache, "a", "true") == ("true", "miss")
    assert sum(refused(cache)) == 1


async def test_what_an_older_release_left_is_a_miss(shared: Shared) -> None:
    cache = shared.cache()
    for layout in range(int(FORMAT)):
        await shared.lay("a", of_the_last_format(STAMP), str(layout))
    assert await shared.read(cache, "a", "true") == ("true", "miss")
    assert refused(cache) == (0, 0)


@pytest.mark.parametrize("key", ["a:b", "a\0b", "\0", "ключ: ü", "a\nb"])
async def test_a_key_may_hold_anything_and_its_entry_knows_its_tags(shared: Shared, key: str) -> None:
    await shared.lay(key, pack(key, STAMP, 0.0, 60.0, ("tag: ü", "other"), b"one"))
    cache = shared.cache()
    while (found := await shared.read(cache, key, "two"))[1] != "shared":
        cache = shared.cache()
        await shared.lay(key, pack(key, STAMP, 0.0, 60.0, ("tag: ü", "other"), b"one"))
    assert found == ("one", "shared")
    assert list(cache._entries[key].tags) == ["tag: ü", "other"]
    cache.drop(["other"])
    assert cache.read_now(key) is None


async def test_what_expired_is_a_miss_and_a_clock_set_back_lengthens_a_life_by_one_more_at_most(shared: Shared) -> None:
    cache = shared.cache()
    await shared.lay("a", pack("a", STAMP, 61.0, 60.0, ("a",), b"expired"))
    assert await shared.read(cache, "a", "new") == ("new", "miss")
    found = ""
    while found != "shared":
        cache.drop_all()
        await shared.lay("b", pack("b", STAMP, -1_000.0, 60.0, ("a",), b"of tomorrow"))
        found = (await shared.read(cache, "b", "new"))[1]
    assert cache.read_now("b") == "of tomorrow"
    assert cache._entries["b"].expires_s <= time.monotonic() + 60.0
    assert refused(cache) == (0, 0)


async def test_what_comes_once_the_cache_may_not_serve_any_more_is_not_kept() -> None:
    late = Late()
    cache = Cache("test", TextCodec(), SteadyLog(), late, Metrics(), ttl_s=60.0)  # type: ignore[arg-type]

    async def load() -> tuple[str, list[str]]:
        return "true", ["a"]

    reading = asyncio.create_task(cache.read("a", load))
    await late.asked.wait()
    cache.switch_off("by hand")
    late.answer.set_result(pack("a", STAMP, 0.0, 60.0, ("a",), b"old"))
    assert await reading == ("true", "miss")
    assert cache.statistics().entries == 0
