"""Asked again about the same steps on a host that has moved: what was read of the first round signs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from approval_scene import TARGET, ask_people, people, round_of, settled, signer
from nats.aio.client import Client
from opswire.cli.testing import CommandLine


async def test_the_digest_of_an_earlier_round_does_not_sign_a_later_one(
    opswire: CommandLine, client: Client, tmp_path: Path
) -> None:
    dana = signer(tmp_path, "dana")
    host = TARGET.model_copy(update={"asset_id": "h1", "name": "host-01", "type": "host"})
    first = round_of("again-1", targets=[TARGET, host])
    await ask_people(client, first)
    read = (await asyncio.to_thread(opswire.run, "approvals", "show", "again-1", "--json")).json["digest"]
    moved = host.model_copy(update={"address": "192.0.2.66", "generation": host.generation + 1})
    second = round_of("again-1", round=2, targets=[TARGET, moved], nonce="d" * 32)
    assert second.plan.digest == first.plan.digest
    sequence = await ask_people(client, second)
    signing = ["approvals", "approve", "again-1", "--key", str(dana.file), "--wait", "0", "--yes", "--digest"]
    refused = await asyncio.to_thread(opswire.run, *signing, read)
    assert refused.status == 2
    assert "the plan of again-1 is not" in refused.err
    assert (await settled(client, second, sequence, people(dana))).outcome == "waiting"
    shown = await asyncio.to_thread(opswire.run, "approvals", "show", "again-1")
    now = (await asyncio.to_thread(opswire.run, "approvals", "show", "again-1", "--json")).json["digest"]
    assert now in shown.out
    assert "192.0.2.66" in shown.out
    taken = await asyncio.to_thread(opswire.run, *signing, now)
    assert taken.status == 0, taken.err
    assert (await settled(client, second, sequence, people(dana))).outcome == "granted"
