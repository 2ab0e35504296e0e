"""What a person found out about a step of unknown outcome: verified, counted, told; once for each person and step."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from change_scene import Scene
from opswire.chassis.nkey import new_seed, public_of, sign
from opswire.chassis.service import Service
from opswire.chassis.statements import resolution_statement
from opswire.chassis.testing.waiting import until
from opswire.contracts.progress_reported import ProgressReported
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.contracts.routes import PROGRESS_REPORTED, RESOLUTION_RECORDED
from opswire.executor.app import create_app
from opswire.executor.settings import ExecutorSettings
from opswire.executor.usecases.story import Key


def finding(seed: str, key: Key, number: int, signed_step: int) -> ResolutionRecorded:
    person, now_ns = public_of(seed), time.time_ns()
    statement = resolution_statement(key.source, key.request_id, signed_step, "done", person, "a new pid", now_ns)
    return ResolutionRecorded(
        request_id=key.request_id,
        number=number,
        found="done",
        person=person,
        note="a new pid",
        found_ns=now_ns,
        signature=sign(seed, statement),
    )


@pytest.mark.parametrize(
    ("who", "signed_step", "place", "told", "counted"),
    [
        ("sam", 2, 2, "step 2 is settled by sam: done. a new pid", "done"),
        ("sam", 1, 2, "step 2 is not settled: signature_invalid", "signature_invalid"),
        ("nobody", 2, 2, "step 2 is not settled: key_unknown", "key_unknown"),
        ("sam", 2, 3, "step 3 is not settled: not_its_place", "not_its_place"),
    ],
)
async def test_a_finding_counts_by_its_signature(
    service: Service, tmp_path: Path, who: str, signed_step: int, place: int, told: str, counted: str
) -> None:
    scene, key = Scene(service, tmp_path / "scene"), Key("test", "r-1")
    settings = ExecutorSettings(
        nats_url=service.settings.nats_url,
        state_dir=tmp_path / "state",
        policy_file=scene.policy_file,
        people_file=scene.people_file,
        http_port=0,
    )
    lines: list[str] = []
    await service.bus.client.subscribe_directly(
        PROGRESS_REPORTED.wildcard, lambda _s, _r, body, _h: lines.append(ProgressReported.from_bytes(body).doing)
    )
    await service.bus.client.flush()
    executor = create_app(settings)
    await executor.start()
    try:
        seed = scene.seeds.get(who) or new_seed()
        subject = RESOLUTION_RECORDED.subject(
            source=key.source, request_id=key.request_id, number=str(place), approver=public_of(seed)
        )
        await service.sender.send(RESOLUTION_RECORDED, subject, finding(seed, key, 2, signed_step))
        await until(lambda: bool(lines))
        assert lines[0].startswith(told)
        value = executor.metrics.registry.get_sample_value("opswire_resolutions_total", {"result": counted})
        assert value == 1
        assert (await scene.story(key)).finish is None
    finally:
        await executor.stop()
