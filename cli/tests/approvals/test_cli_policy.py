"""`policy`: explained in words and by a request's facts, checked with its own tests."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from approval_scene import signer, step, store
from nats.aio.client import Client
from opswire.cli.testing import CommandLine, Result
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset, IntentFinding, Requester
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import CONTEXT_RESOLVED, PLAN_MADE, REQUEST_SUBMITTED
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import IntentSource, RequesterKind, Risk


async def run(opswire: CommandLine, *arguments: str) -> Result:
    return await asyncio.to_thread(opswire.run, *arguments)


def write_people(opswire: CommandLine, tmp_path: Path, *names: str) -> None:
    """The people file of the state directory, which counts where no other is named."""
    opswire.state_dir.mkdir(exist_ok=True)
    entries = [
        {"name": name, "roles": ["operator", "lead"], "keys": [{"public": signer(tmp_path, name).public}]}
        for name in names
    ]
    (opswire.state_dir / "people.yaml").write_text(json.dumps({"people": entries}), encoding="utf-8")


def test_explain_in_words(opswire: CommandLine, tmp_path: Path) -> None:
    write_people(opswire, tmp_path, "dana", "kim")
    result = opswire.run("policy", "explain", "--as", "dana", "--effect", "destroy", "--environment", "staging")
    assert result.status == 0, result.err
    assert "approval of two of the role operator" in result.out
    assert "It destroys something." in result.out
    assert "could approve: kim (dana asks, and does not count)" in result.out
    found = opswire.run("policy", "explain", "--effect", "read", "--json").json
    assert found["kind"] == "allow"


async def test_explain_a_request(opswire: CommandLine, client: Client) -> None:
    requester = Requester(id="sam", kind=RequesterKind.HUMAN)
    where = {"source": "cli", "request_id": "explain-1"}
    submitted = RequestSubmitted(request_id="explain-1", text="restart nginx on web-01", requester=requester)
    await store(client, REQUEST_SUBMITTED.subject(**where), submitted)
    before = await run(opswire, "policy", "explain", "explain-1")
    assert before.status == 4
    assert "has no context" in before.err
    intent = IntentFinding(name=IntentName.SERVICE_RESTART, confidence=0.9, risk=Risk.LOW, source=IntentSource.LOCAL)
    asset = Asset(id="a1", name="web-01", type="host", environment="somewhere", generation=3)
    context = ContextResolved(
        request_id="explain-1",
        requester=requester,
        text="restart nginx on web-01",
        intent=intent,
        selection="named",
        assets=[asset],
        total=1,
        accepted_ns=1,
        deadline_ns=2,
    )
    await store(client, CONTEXT_RESOLVED.subject(**where), context)
    plan = PlanMade(request_id="explain-1", intent=intent.name, steps=[step()], digest="0" * 64)
    await store(client, PLAN_MADE.subject(**where), plan)
    result = await run(opswire, "policy", "explain", "explain-1", "--json")
    assert result.status == 0, result.err
    assert (result.json["kind"], result.json["people"]) == ("approve", 1)
    assert result.json["reasons"][0] == {"rule": "production_change", "sentence": "It changes production. (web-01)"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give a request, or options"),
        (("r1", "--as", "dana"), "give a request, or options"),
        (("--risk", "SOME"), "risk"),
        (("--at", "tomorrow"), "at"),
        (("--time-zone", "Mars/Base"), "time zone"),
    ],
)
def test_a_question_that_makes_no_sense(opswire: CommandLine, arguments: tuple[str, ...], told: str) -> None:
    result = opswire.run("policy", "explain", *arguments)
    assert result.status == 2
    assert told in result.err


def test_check_and_show(opswire: CommandLine, tmp_path: Path) -> None:
    write_people(opswire, tmp_path, "dana", "kim")
    result = opswire.run("policy", "check")
    assert result.status == 0, result.err
    assert "The policy holds" in result.out
    assert "note:" not in result.out
    shown = opswire.run("policy", "show")
    assert "secrets_stay: refused." in shown.out
    assert "otherwise approval of one of the role operator" in shown.out
    assert "dana: operator, lead; 1 key" in shown.out


def test_check_fails_where_the_file_would_let_nothing_be_changed(opswire: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("grants: [", encoding="utf-8")
    result = opswire.run("policy", "check", "--file", str(file))
    assert result.status == 1
    assert "nothing may be changed: line" in result.out
    opswire.state_dir.mkdir(exist_ok=True)
    (opswire.state_dir / "people.yaml").write_text("people: 5", encoding="utf-8")
    result = opswire.run("policy", "check")
    assert result.status == 1
    assert "nobody can approve" in result.out
