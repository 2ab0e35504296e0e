"""`keys`, `mode`, `cancel` and `resolve`: what people say about changes, on a real broker."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from approval_scene import Signer, people, signer, store
from nats.aio.client import Client
from opswire.chassis.nkey import public_of
from opswire.cli.testing import CommandLine, Result
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.findings import Requester
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.request_finished import RequestFinished
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.contracts.routes import (
    CANCELLATION_REQUESTED,
    CHANGES,
    FACTS,
    MODE_CHANGED,
    REQUEST_FINISHED,
    REQUEST_SUBMITTED,
    RESOLUTION_RECORDED,
    STEP_FINISHED,
)
from opswire.contracts.step_finished import StepFinished
from opswire.contracts.types import RequesterKind
from opswire.executor.rules.approval import Refused
from opswire.executor.rules.people import People
from opswire.executor.rules.signed import loosening_refused, resolution_by


@pytest.fixture
def dana(tmp_path: Path) -> Signer:
    return signer(tmp_path, "dana")


async def run(opswire: CommandLine, *arguments: str) -> Result:
    return await asyncio.to_thread(opswire.run, *arguments)


async def submit(client: Client, request_id: str) -> None:
    submitted = RequestSubmitted(
        request_id=request_id, text="restart it", requester=Requester(id="sam", kind=RequesterKind.HUMAN)
    )
    await store(client, REQUEST_SUBMITTED.subject(source="cli", request_id=request_id), submitted)


async def finish(client: Client, request_id: str, status: str) -> None:
    body = {"request_id": request_id, "status": status, "answer": {"summary": "So it ended."}, "timings": {"total": 1}}
    finished = RequestFinished.from_bytes(json.dumps(body).encode())
    await store(client, REQUEST_FINISHED.subject(source="cli", request_id=request_id), finished)


async def end_step(client: Client, request_id: str, number: int, status: str) -> None:
    body: dict[str, Any] = {"request_id": request_id, "number": number, "run_id": "a" * 32, "status": status}
    finished = StepFinished.model_validate(body | {"started_ns": 1, "finished_ns": 2})
    await store(client, STEP_FINISHED.subject(source="cli", request_id=request_id, number=str(number)), finished)


def test_a_new_key_is_for_its_owner_alone(opswire: CommandLine) -> None:
    result = opswire.run("keys", "new", "dana", "--role", "operator", "--role", "lead")
    assert result.status == 0, result.err
    file = opswire.state_dir / "keys" / "dana.seed"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    seed = file.read_text(encoding="ascii").strip()
    assert seed not in result.out + result.err
    found = People.read(f"people:\n{result.out}".encode())
    assert found.fault is None
    held = found.holder(public_of(seed))
    assert held is not None
    assert held.person.roles == ["operator", "lead"]
    again = opswire.run("keys", "new", "dana", "--json")
    assert again.status == 1
    assert file.read_text(encoding="ascii").strip() == seed


@pytest.mark.parametrize("name", ["../dana", "", "a b", "-x/", "dana\n"])
def test_names_that_are_no_file_names(opswire: CommandLine, name: str) -> None:
    assert opswire.run("keys", "new", "--", name).status == 2


@pytest.mark.parametrize(
    ("mode", "content", "told"),
    [(0o640, None, "others can read"), (0o602, None, "others can read"), (0o600, "nothing", "holds no seed")],
)
def test_a_key_that_is_no_key_of_yours(
    opswire: CommandLine, dana: Signer, mode: int, content: str | None, told: str
) -> None:
    if content is not None:
        dana.file.write_text(content, encoding="ascii")
    dana.file.chmod(mode)
    result = opswire.run("mode", "normal", "--key", str(dana.file))
    assert result.status == 2
    assert told in result.err
    assert "SU" not in result.err


def test_without_a_key_nothing_is_signed(opswire: CommandLine, tmp_path: Path) -> None:
    result = opswire.run("mode", "normal")
    assert result.status == 2
    assert "no key is given" in result.err
    assert opswire.run("mode", "normal", "--key", str(tmp_path)).status == 2
    assert opswire.run("mode", "normal", "--key", str(tmp_path / "gone")).status == 2


async def test_the_mode_is_tightened_by_anybody_and_loosened_by_a_signature(
    opswire: CommandLine, client: Client, dana: Signer
) -> None:
    before = await run(opswire, "mode", "show")
    assert before.out == "normal, and it never was anything else\n"
    stopped = await run(opswire, "mode", "stop", "--reason", "the \u202edisk", "--json")
    assert stopped.status == 0, stopped.err
    assert (stopped.json["mode"], "signature" in stopped.json) == ("stopped", False)
    shown = await run(opswire, "mode", "show")
    assert "stopped since" in shown.out
    assert "‹U+202E RIGHT-TO-LEFT OVERRIDE›" in shown.out
    milder = await run(opswire, "mode", "read-only")
    assert milder.status == 2
    assert "must be signed" in milder.err
    signed = await run(opswire, "mode", "read-only", "--key", str(dana.file), "--json")
    assert (signed.json["mode"], "signature" in signed.json) == ("read_only", True)
    assert (await run(opswire, "mode", "read-only", "--json")).json["mode"] == "read_only"
    normal = await run(opswire, "mode", "normal", "--key", str(dana.file), "--reason", "repaired")
    assert normal.status == 0, normal.err
    assert "executors may not take it: nobody holds this key" in normal.err
    stored = await client.jetstream().get_last_msg(CHANGES, MODE_CHANGED.subject())
    changed = ModeChanged.from_bytes(stored.data or b"")
    now_ns = time.time_ns()
    assert loosening_refused(changed, now_ns, stopped.json["at_ns"], people(dana)) is None
    assert loosening_refused(changed, now_ns, stopped.json["at_ns"], people()) is not None


async def test_cancel_is_asked_once_and_its_outcome_waited_for(opswire: CommandLine, client: Client) -> None:
    await submit(client, "cancel-1")
    asked = await client.subscribe(CANCELLATION_REQUESTED.subject(source="cli", request_id="cancel-1"))
    waiting = asyncio.create_task(run(opswire, "cancel", "cancel-1", "--reason", "wrong host", "--wait", "60"))
    message = await asked.next_msg(timeout=60)
    assert CancellationRequested.from_bytes(message.data).reason == "wrong host"
    await finish(client, "cancel-1", "cancelled")
    result = await waiting
    assert result.status == 0, result.err
    assert "Asked to cancel; it is cancelled." in result.out
    late = await run(opswire, "cancel", "cancel-1")
    assert late.status == 1
    assert "is cancelled already" in late.err


async def test_cancelling_twice_is_as_good_as_once(opswire: CommandLine, client: Client) -> None:
    await submit(client, "cancel-2")
    first = await run(opswire, "cancel", "cancel-2", "--wait", "0", "--json")
    second = await run(opswire, "cancel", "cancel-2", "--wait", "0", "--json")
    assert (first.json["repeated"], second.json["repeated"]) == (False, True)
    assert second.json["finished"] is None
    assert (await run(opswire, "cancel", "nothing-here")).status == 4


async def test_an_unknown_outcome_is_settled_by_a_signature(opswire: CommandLine, client: Client, dana: Signer) -> None:
    await submit(client, "resolve-1")
    await end_step(client, "resolve-1", 1, "succeeded")
    await end_step(client, "resolve-1", 2, "unknown")
    arguments = ("resolve", "resolve-1", "--found", "not-done", "--key", str(dana.file), "--note", "same pid")
    wrong = await run(opswire, *arguments, "--step", "1")
    assert wrong.status == 2
    assert "the outcome of step 1 is not unknown" in wrong.err
    result = await run(opswire, *arguments, "--json")
    assert result.status == 0, result.err
    assert (result.json["number"], result.json["found"]) == (2, "not_done")
    assert result.json["signature_of"]["code"] == "key_unknown"  # no people file is set up here
    subject = RESOLUTION_RECORDED.subject(
        source="cli", request_id="resolve-1", number="2", approver=result.json["person"]
    )
    stored = await client.jetstream().get_last_msg(FACTS, subject)
    record = ResolutionRecorded.from_bytes(stored.data or b"")
    person = resolution_by(record, "cli", people(dana), time.time_ns())
    assert not isinstance(person, Refused)
    assert person.name == "dana"
    again = await run(opswire, *arguments)
    assert again.status == 1
    assert "is settled already by this key: step 2 not_done" in again.err


async def test_a_resolution_whose_signature_does_not_verify_is_marked(
    opswire: CommandLine, client: Client, dana: Signer, tmp_path: Path
) -> None:
    opswire.state_dir.mkdir(exist_ok=True)
    person = {"name": "dana", "roles": ["operator"], "keys": [{"public": dana.public}]}
    (opswire.state_dir / "people.yaml").write_text(json.dumps({"people": [person]}), encoding="utf-8")
    await submit(client, "marked-1")
    for number in (1, 2, 3):
        await end_step(client, "marked-1", number, "unknown")
    stranger = signer(tmp_path, "stranger")
    for who, number, note in ((dana, "1", "new pid"), (stranger, "2", "trust me")):
        arguments = ("resolve", "marked-1", "--found", "done", "--key", str(who.file), "--note", note)
        settled = await run(opswire, *arguments, "--step", number)
        assert settled.status == 0, settled.err
    honest = await client.jetstream().get_last_msg(FACTS, resolved("marked-1", "1", dana))
    forged = ResolutionRecorded.from_bytes(honest.data or b"").model_copy(update={"number": 3, "note": "never seen"})
    await store(client, resolved("marked-1", "3", dana), forged)
    result = await run(opswire, "show", "marked-1", "--json")
    marks = [fact["signature_of"] for fact in result.json["facts"] if "signature_of" in fact]
    assert [(mark["person"], mark["code"]) for mark in marks] == [
        ("dana", None),
        (None, "key_unknown"),
        (None, "signature_invalid"),
    ]
    shown = "".join((await run(opswire, "show", "marked-1")).out.split())  # lines may break anywhere
    assert shown.count("settled:done,says") == 3
    assert f"says{dana.public[:8]}…" in shown
    assert f"says{dana.public}" not in shown
    assert shown.count("(signedbydana)") == 1
    assert shown.count("doesnotcount,") == 2


async def test_a_resolution_that_stands_elsewhere_than_it_says_does_not_count(
    opswire: CommandLine, client: Client, dana: Signer
) -> None:
    await submit(client, "moved-1")
    await end_step(client, "moved-1", 1, "unknown")
    settled = await run(opswire, "resolve", "moved-1", "--found", "done", "--key", str(dana.file))
    assert settled.status == 0, settled.err
    honest = await client.jetstream().get_last_msg(FACTS, resolved("moved-1", "1", dana))
    record = ResolutionRecorded.from_bytes(honest.data or b"")
    await submit(client, "moved-2")
    await store(client, resolved("moved-2", "1", dana), record)
    result = await run(opswire, "show", "moved-2", "--json")
    assert result.json["facts"][-1]["signature_of"]["code"] == "not_its_place"


def resolved(request_id: str, step: str, who: Signer) -> str:
    return RESOLUTION_RECORDED.subject(source="cli", request_id=request_id, number=step, approver=who.public)


@pytest.mark.parametrize(
    ("statuses", "told"), [([], "no outcome of its steps"), (["unknown"] * 2, "of 2 of its steps")]
)
async def test_it_must_be_clear_which_step_is_meant(
    opswire: CommandLine, client: Client, dana: Signer, statuses: list[str], told: str
) -> None:
    request_id = f"resolve-many-{len(statuses)}"
    await submit(client, request_id)
    for number, status in enumerate(statuses, 1):
        await end_step(client, request_id, number, status)
    result = await run(opswire, "resolve", request_id, "--found", "done", "--key", str(dana.file))
    assert result.status == 2
    assert told in result.err
