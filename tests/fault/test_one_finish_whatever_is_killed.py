"""One finish for every request while the four services and the broker are killed with SIGKILL at random moments.

Bounded here; `OPSWIRE_FAULT_REQUESTS`, `OPSWIRE_FAULT_RUNS` and `OPSWIRE_FAULT_SEED` make it long or repeat a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from checker import FACTS, PARKED, Evidence, LogRule, Verdict, check, read_stream
from opswire.chassis.testing.system import SERVICES, System
from reaper import VICTIMS, Reaper
from steady_upstream import DEADLINE_MS, SteadyUpstream

REQUESTS = int(os.environ.get("OPSWIRE_FAULT_REQUESTS", "2000"))
RUNS = int(os.environ.get("OPSWIRE_FAULT_RUNS", "1"))
SEED = int(os.environ.get("OPSWIRE_FAULT_SEED", str(random.SystemRandom().randrange(1_000_000))))
PER_SECOND = 32.0
RECOVERY_S = DEADLINE_MS / 1000 + 60
RUN_TIMEOUT_S = REQUESTS / PER_SECOND * 2 + RECOVERY_S + 90
EXPIRED_SHARE_MAX = 0.15
# Nobody is asked here, so that every request has its outcome at once; who is asked dies in its own tests.
POLICY = """
roles: [operator]
approval_window_s: 60
grants: [{name: reads, when: {effects: [none, read]}, because: It only reads}]
otherwise: {verdict: refuse, because: Nothing is changed in this test}
"""
INVENTORY = Path(__file__).parents[1] / "data" / "inventory.yaml"

# No error line is excused: that a broker is away is a warning, and everything else is a fault of ours.
ALLOWED: tuple[LogRule, ...] = ()


@contextlib.asynccontextmanager
async def in_background(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run jobs beside the block. A job that fails makes the block fail."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


async def under_fire(system: System, upstream: SteadyUpstream, reaper: Reaper) -> tuple[float, float]:
    """Send everything while processes die, then recover. Answers the seconds of each part."""
    begun = time.monotonic()
    await upstream.connect()
    async with in_background(upstream.read_outcomes(), reaper.keep_alive()):
        async with in_background(reaper.run()):
            await upstream.send(REQUESTS, PER_SECOND)
        fired_s = time.monotonic() - begun
        async with asyncio.timeout(RECOVERY_S):
            await upstream.all_answered()
    return fired_s, time.monotonic() - begun - fired_s


async def judge(system: System, upstream: SteadyUpstream) -> Verdict:
    """Read the streams and check them."""
    facts, last_sequence = await read_stream(upstream.client, FACTS)
    parked, _ = await read_stream(upstream.client, PARKED)
    notes = upstream.notes
    evidence = Evidence(
        accepted=notes.accepted,
        attempted=notes.attempted,
        seen=notes.seen,
        facts=facts,
        parked=parked,
        facts_last_sequence=last_sequence,
        now_ns=time.time_ns(),
        log_lines=system.log_lines(),
        log_rules=ALLOWED,
    )
    return check(evidence)


def unexpected_endings(upstream: SteadyUpstream, verdict: Verdict) -> Counter[str]:
    """Endings other than the one that the request has in peace, `expired` apart: (wanted -> got)."""
    pairs = ((upstream.notes.expected[key], status) for key, status in verdict.statuses.items())
    return Counter(f"{wanted} -> {got}" for wanted, got in pairs if got not in (wanted, "expired"))


@pytest.mark.faults
@pytest.mark.timeout(RUN_TIMEOUT_S)
@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_one_finish_whatever_is_killed(seed: int, tmp_path: Path) -> None:
    print(f"OPSWIRE_FAULT_SEED={seed} OPSWIRE_FAULT_REQUESTS={REQUESTS}")  # noqa: T201  a failed run can be repeated
    chance = random.Random(seed)
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    with System(tmp_path / "system", {"OPSWIRE_POLICY_FILE": str(policy)}) as system:
        assert system.import_inventory(INVENTORY.read_text())["created"] == 20
        upstream = SteadyUpstream(system.nats.url, random.Random(chance.random()))
        reaper = Reaper(system, upstream.bursts, random.Random(chance.random()))

        async def run() -> tuple[Verdict, float, float]:
            fired_s, recovered_s = await under_fire(system, upstream, reaper)
            await asyncio.to_thread(system.wait_ready, *VICTIMS)
            try:
                return await judge(system, upstream), fired_s, recovered_s
            finally:
                await upstream.client.close()

        verdict, fired_s, recovered_s = asyncio.run(run())
        alive = {name: system.is_ready(name) for name in SERVICES}
    notes, endings = upstream.notes, Counter(verdict.statuses.values())
    print(  # noqa: T201  what a run was worth
        f"{len(notes.accepted)} requests in {fired_s:.0f} s under fire ({len(notes.accepted) / fired_s:.0f}/s), "
        f"{recovered_s:.1f} s to recover; killed {dict(reaper.kills)}, starts repeated {dict(reaper.starts_repeated)}; "
        f"publishes repeated {notes.repeats}, refused as present {notes.refused_as_present}; endings {dict(endings)}\n"
        f"{verdict}"
    )
    assert verdict.findings == []
    assert len(notes.accepted) == REQUESTS == verdict.submitted == verdict.finished
    assert verdict.open_ == 0
    assert all(reaper.kills[name] > 0 for name in VICTIMS) or REQUESTS < 500
    assert not unexpected_endings(upstream, verdict)
    assert endings["expired"] <= EXPIRED_SHARE_MAX * REQUESTS
    assert all(alive.values()), alive
