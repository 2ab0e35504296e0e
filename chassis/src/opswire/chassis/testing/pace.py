"""Waiting that is part of what is tested, not waiting for something to happen."""

from __future__ import annotations

import asyncio
import random

from opswire.chassis.caching.log import LEASE_S


async def uneven_source() -> None:
    """A source of uneven speed: mostly at once, now and then 20 ms."""
    await asyncio.sleep(random.choice((0, 0, 0.001, 0.02)))  # noqa: S311  no secret


async def lease_over(margin_s: float) -> None:
    """What a writer waits after its invalidation was stored: by then no holder serves what it replaced."""
    await asyncio.sleep(LEASE_S + margin_s)
