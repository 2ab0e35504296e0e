"""No read answers what an invalidation replaced that was acknowledged before the read began, whatever fault happens.

Real processes, broker and Valkey. 50,000 reads here, and every fault at least once; `OPSWIRE_CHECKER_READS=1000000` for
the long run. That a stale read would be seen is shown by test_cache_checker_bites.py.
"""

from __future__ import annotations

import logging
import os
import random
from pathlib import Path

import pytest
from cache_system import FAULTS, CacheSystem
from cache_world import HOLDERS, Cell
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.valkey_server import ValkeyServer

READS = int(os.environ.get("OPSWIRE_CHECKER_READS", "50000"))


@pytest.mark.faults
@pytest.mark.timeout(0 if READS > 50_000 else 240)
async def test_no_read_is_older_than_what_was_acknowledged_before_it_began(
    nats_server: NatsServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    system = CacheSystem(tmp_path, nats_server, valkey_server)
    world = system.world
    try:
        await system.start()
        rounds = 0
        while rounds == 0 or world.total(Cell.READS) < READS:
            for fault in random.sample(FAULTS, len(FAULTS)):
                await fault(system)
                assert world.total(Cell.STALE) == 0, fault.__name__
            rounds += 1
        for holder in range(HOLDERS):
            await system.served_again(holder)
    finally:
        await system.stop()
    counts = {cell.name: world.total(cell) for cell in Cell}
    summary = f"{rounds} rounds of faults, {world.writes_total} invalidations acknowledged, {counts}"
    (tmp_path / "summary.txt").write_text(summary)
    logging.getLogger(__name__).warning(summary)
    assert world.total(Cell.STALE) == 0
    assert world.total(Cell.READS) >= READS
    assert world.total(Cell.SHARED) > 0
    assert world.total(Cell.BYPASS) > 0
