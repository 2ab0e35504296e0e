"""`python -m opswire.executor.policy_command`, as the command line asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.nkey import new_seed, public_of, sign
from opswire.chassis.statements import resolution_statement
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Entity, IntentFinding, Requester
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, IntentSource, RequesterKind, Risk
from opswire.executor.policy_command import main
from policy_scene import GRANTS_ALL, asset, step


def ask(action: str, document: object = None, **environment: str) -> tuple[int, dict[str, Any]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPSWIRE_")}
    done = subprocess.run(
        [sys.executable, "-m", "opswire.executor.policy_command", action],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        env=clean | environment,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.yaml"
    entries = [
        {"name": name, "roles": ["operator", "lead"], "keys": [{"public": public_of(new_seed())}]}
        for name in ("dana", "kim")
    ]
    path.write_text(json.dumps({"people": entries}), encoding="utf-8")
    return str(path)


def test_check_says_what_is_well_and_what_is_odd(people: str, tmp_path: Path) -> None:
    status, found = ask("check", OPSWIRE_PEOPLE_FILE=people)
    assert (status, found["fault"], found["warnings"]) == (0, None, [])
    assert found["tests"] >= 20
    _, lonely = ask("check")
    assert "2 of the role lead may be asked and nobody" in lonely["warnings"][0]
    broken = tmp_path / "policy.yaml"
    broken.write_bytes(GRANTS_ALL + b"tests: [{name: wrong, ask: {}, expect: {verdict: refuse}}]\n")
    _, failing = ask("check", OPSWIRE_POLICY_FILE=str(broken))
    assert failing["failures"] == ["'wrong': verdict is 'allow', not 'refuse'"]


def test_show_lists_rules_and_people(people: str) -> None:
    _, found = ask("show", OPSWIRE_PEOPLE_FILE=people)
    assert found["policy"]["demands"][0]["name"] == "secrets_stay"
    assert "tests" not in found["policy"]
    assert [person["name"] for person in found["people"]] == ["dana", "kim"]
    assert len(found["people"][0]["keys"]) == 1


def test_explain_in_words_names_who_could_approve(people: str) -> None:
    words = {"as": "dana", "intent": "data.delete", "effect": "destroy", "environment": "staging"}
    status, found = ask("explain", {"ask": words}, OPSWIRE_PEOPLE_FILE=people)
    assert status == 0
    assert (found["kind"], found["people"], found["role"]) == ("approve", 2, "operator")
    assert (found["asking"], found["able"]) == ("dana", ["kim"])


def test_explain_a_request_by_its_facts() -> None:
    context = ContextResolved(
        request_id="r1",
        requester=Requester(id="sam", kind=RequesterKind.HUMAN),
        text="restart nginx on web-01",
        intent=IntentFinding(
            name=IntentName.SERVICE_RESTART,
            confidence=0.9,
            entities=[Entity(type=EntityType.HOST, value="web-01")],
            risk=Risk.LOW,
            source=IntentSource.LOCAL,
        ),
        selection="named",
        assets=[asset(environment="development")],
        total=1,
        accepted_ns=1,
        deadline_ns=2,
    )
    plan = PlanMade(request_id="r1", intent=IntentName.SERVICE_RESTART, steps=[step()], digest="0" * 64)
    facts = {"source": "cli", "context": json.loads(context.to_bytes()), "plan": json.loads(plan.to_bytes())}
    assert ask("explain", facts)[1]["kind"] == "allow"
    facts["context"]["total"] = 7
    refused = ask("explain", facts)[1]
    assert (refused["kind"], refused["reasons"][0]["rule"]) == ("refuse", "targets_grew")


@pytest.mark.parametrize(
    "document", [{}, {"ask": {"color": "red"}}, {"ask": {"risk": "SOME"}}, {"plan": 1, "context": 2}, 5]
)
def test_a_question_that_cannot_be_read_is_said_so(document: object) -> None:
    status, found = ask("explain", document)
    assert status == 2
    assert found["error"]["message"]


def test_signatures_are_worth_what_they_were_when_they_were_stored(tmp_path: Path) -> None:
    seed, until_ns = new_seed(), 1_780_000_000_000_000_000
    until = datetime.fromtimestamp(until_ns / 1e9, UTC).isoformat()
    keys = [{"public": public_of(seed), "valid_until": until}]
    people = tmp_path / "people.yaml"
    people.write_text(json.dumps({"people": [{"name": "dana", "keys": keys}]}), encoding="utf-8")
    told = ("r1", 1, "done", public_of(seed), "I looked", until_ns)
    signature = sign(seed, resolution_statement("cli", *told))
    names = ("request_id", "number", "found", "person", "note", "found_ns")
    question = {"source": "cli", "resolution": dict(zip(names, told, strict=True)) | {"signature": signature}}
    asked = [question | {"at_ns": until_ns - 1_000_000_000}, question | {"at_ns": until_ns}]
    status, found = ask("signatures", asked, OPSWIRE_PEOPLE_FILE=str(people))
    assert status == 0
    assert [(each["person"], each["code"]) for each in found["found"]] == [("dana", None), (None, "key_not_valid")]


def test_an_unknown_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "say check, show, explain, signature or signatures" in capsys.readouterr().out
