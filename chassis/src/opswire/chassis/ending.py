"""Ends tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

CANCEL_AGAIN_AFTER_S = 0.5


async def end_all(tasks: Collection[asyncio.Task[Any]], again_after_s: float = CANCEL_AGAIN_AFTER_S) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: before Python 3.12 a cancellation that meets a reply in the same turn of the loop is lost in
    `asyncio.wait_for`, and whoever waited for that task waited for ever. What does this within a task that is ended so
    itself takes a shorter `again_after_s`, or it is interrupted.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_after_s)
    await asyncio.gather(*tasks, return_exceptions=True)
