"""Waiting in tests for what becomes true: asked again and again, because what is watched has no event for it.

Never for a time: each ends as soon as it holds, and raises TimeoutError where it does not come to hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

TIMEOUT_S = 30.0
ASKED_EVERY_S = 0.002
ASKED_OUTSIDE_EVERY_S = 0.02


async def until(holds: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Until it holds in this process, whose loop goes on meanwhile."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(ASKED_EVERY_S)


async def until_told(holds: Callable[[], Awaitable[bool]], timeout_s: float = TIMEOUT_S) -> None:
    """Until somebody else, who is asked over a connection, says that it holds."""
    async with asyncio.timeout(timeout_s):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(ASKED_OUTSIDE_EVERY_S)


def wait_until(holds: Callable[[], bool], what: Callable[[], str], timeout_s: float = TIMEOUT_S) -> None:
    """The same for tests without a loop. `what` says in the error how it stands instead."""
    give_up_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > give_up_s:
            raise TimeoutError(what())
        time.sleep(ASKED_OUTSIDE_EVERY_S)


async def one_turn() -> None:
    """One turn of the loop: what was begun before it has come to its first await."""
    await asyncio.sleep(0)
