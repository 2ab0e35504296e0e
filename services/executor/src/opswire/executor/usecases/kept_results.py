"""Tool results that others asked for a moment ago, served where the table of rules/caching.py allows it.

Errors are never kept. A result says how old it is. Nothing is run for the cache's own sake: a tool runs only while a
request waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from opswire.chassis.errors import RetryableError
from opswire.executor.rules.caching import key_of, tags_of, ttl_of
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Tool, ToolCall, ToolResult

NOT_KEPT = "uncacheable"


@dataclass(frozen=True, slots=True)
class Kept:
    """A result and when its tool was begun, in nanoseconds since 1970."""

    result: ToolResult
    begun_ns: int


Load = Callable[[], Awaitable[tuple[Kept, list[str]]]]


class ResultCache(Protocol):
    """Remembers results."""

    async def read(self, key: str, load: Load, *, fresh: bool = False, ttl_s: float | None = None) -> tuple[Kept, str]:
        """The result under `key`, loaded when it is not there or `fresh` is wanted, and where it came from."""


@dataclass(frozen=True, slots=True)
class Found:
    """A tool's result. `outcome` is the cache's, or `uncacheable`; `age_s` is None where the tool ran for this."""

    result: ToolResult
    outcome: str
    age_s: float | None = None


class _NobodyWaitsError(Exception):
    """The cache would load in the background; tools are run for requests only."""


class KeptResults:
    """Runs a tool, or answers with what it found a moment ago."""

    def __init__(
        self,
        cache: ResultCache,
        version: str,
        clock_ns: Callable[[], int] = time.time_ns,
        catalogue: Callable[[], Catalogue] = packaged_catalogue,
    ) -> None:
        """`version` changes whenever the same call could have another result, such as with other name servers.

        `catalogue` is the one in force; what was kept under another one is never served.
        """
        self._catalogue = catalogue
        self._cache = cache
        self._version = version
        self._clock_ns = clock_ns

    async def run(self, tool: Tool, call: ToolCall, *, fresh: bool) -> Found:
        """The result. Raises what the tool raises. With `fresh` the tool runs, and what it finds is kept."""
        catalogue = self._catalogue()
        ttl_s = ttl_of(call, catalogue)
        if ttl_s <= 0:
            return Found(await tool(call), NOT_KEPT)
        is_ours, is_waiting = False, True

        async def load() -> tuple[Kept, list[str]]:
            nonlocal is_ours
            if not is_waiting:
                raise _NobodyWaitsError
            is_ours = True
            begun_ns = self._clock_ns()
            return Kept(await tool(call), begun_ns), tags_of(call)

        try:
            key = key_of(call, f"{self._version}:{catalogue.version}")
            kept, outcome = await self._cache.read(key, load, fresh=fresh, ttl_s=ttl_s)
        except RetryableError:
            if is_ours:
                raise
            return Found(await tool(call), "miss")  # whoever we waited for was stopped; that is not our end
        finally:
            is_waiting = False
        if is_ours:
            return Found(kept.result, outcome)
        return Found(kept.result, outcome, max(0.0, (self._clock_ns() - kept.begun_ns) / 1e9))
