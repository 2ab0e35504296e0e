"""Bulk work without Python's cyclic garbage collector, which would look at every span held, again and again.

The ledger leaves no circles behind (`Graph.release`): what is no longer needed is freed at once, collector or not.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collections_paused() -> Iterator[None]:
    """No automatic collections inside; afterwards as before. For a process that does nothing else meanwhile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
