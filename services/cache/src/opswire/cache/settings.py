"""Settings of the cache service, beside those that every service has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from opswire.chassis.settings import ServiceSettings
from opswire.contracts.types import Name, Source
from pydantic import Field


class CacheSettings(ServiceSettings):
    """Nothing here is needed to run: without the inventory's address an asset's invalidation names everything."""

    assets_url: str | None = None
    """Where the assets service answers over HTTP: which id a name has, and where the canary is changed."""
    cache_history_days: Annotated[float, Field(ge=1, le=31)] = 2.0
    cache_history_bucket_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    """One point of the history: what happened in this many seconds."""
    cache_history_write_s: Annotated[float, Field(gt=0, le=3_600)] = 5.0
    """How much of the history a power cut may cost."""
    canary_interval_s: Annotated[float, Field(ge=0, le=3_600)] = 0.0
    """How often the canary is changed and read; 0 is off.

    Each round is one request, kept as all requests are, and a change of the inventory: what depends on the inventory as
    a whole is loaded anew after it.
    """
    canary_asset: Name = "opswire-canary"
    warm_file: Path | None = None
    """Common requests, one in a line; `#` begins a comment."""
    warm_source: Source = "warmer"
    warm_concurrency_max: Annotated[int, Field(ge=1, le=64)] = 1
    """On two cores, 1,000 requests in 11 s with one at a time: others' p95 rose by a third, with two by two thirds."""

    @property
    def history_path(self) -> Path:
        """The history's file; only this service opens it."""
        return self.state_dir / "cache-history.sqlite3"
