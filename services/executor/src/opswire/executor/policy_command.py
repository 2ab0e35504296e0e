"""`python -m opswire.executor.policy_command`: what the policy file is worth and what it says, as one JSON document.

For the command line, which imports no service. `OPSWIRE_POLICY_FILE` and `OPSWIRE_PEOPLE_FILE` name the files, as for
the service. Ends with status 2 and `{"error": {"message", "advice"}}` where the question cannot be read.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested
from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.plan_made import PlanMade
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.executor.adapters.rule_files import RuleFiles
from opswire.executor.rules.approval import Refused, Standing, Word, settle
from opswire.executor.rules.people import People, Person, is_person
from opswire.executor.rules.policy import Policy
from opswire.executor.rules.policy_file import Ask
from opswire.executor.rules.policy_question import PolicyQuestion, question_of
from opswire.executor.rules.signed import loosening_refused, resolution_by
from pydantic import ValidationError

CANNOT = 2


def files_of(environment: dict[str, str]) -> tuple[Path | None, Path | None]:
    """The policy file and the people file that are named; None for the packaged one."""
    names = ("OPSWIRE_POLICY_FILE", "OPSWIRE_PEOPLE_FILE")
    policy, people = (Path(environment[name]) if environment.get(name) else None for name in names)
    return policy, people


def checked(policy: Policy, people: People, now_ns: int) -> dict[str, Any]:
    """What is wrong with the files, and what is odd about them together."""
    return {
        "version": policy.version,
        "fault": policy.fault,
        "failures": list(policy.failures),
        "tests": len(policy.file.tests) if policy.file else 0,
        "people_fault": people.fault,
        "warnings": list(_warnings(policy, people, now_ns)),
    }


def shown(policy: Policy, people: People, now_ns: int) -> dict[str, Any]:
    """The rules that are in force, and who may approve."""
    rules = policy.file.model_dump(mode="json", by_alias=True, exclude_defaults=True) if policy.file else {}
    rules.pop("tests", None)
    persons = [
        {
            "name": person.name,
            "roles": person.roles,
            "keys": [key.public for key in person.keys if _counts(people, key.public, now_ns)],
        }
        for person in people.people
    ]
    return checked(policy, people, now_ns) | {"policy": rules, "people": persons}


def explained(policy: Policy, people: People, asked: dict[str, Any], now_ns: int) -> dict[str, Any]:
    """The verdict on `{"ask": words}` or `{"source", "context", "plan"}`, and who could approve. Raises ValueError."""
    question = question_of(Ask.model_validate(asked["ask"])) if "ask" in asked else _question(asked, now_ns)
    verdict = policy.decide(question)
    asking = people.asking(question.source, question.requester.id)
    able = [
        person.name
        for person in people.of_role(verdict.role)
        if not is_person(person, question.source, question.requester.id)
        and any(_counts(people, key.public, now_ns) for key in person.keys)
    ]
    return asdict(verdict) | {"asking": asking.name if asking else None, "able": able}


def signed(people: People, asked: dict[str, Any], now_ns: int) -> dict[str, Any]:
    """Whose signature stands on `{"mode"}`, `{"source", "resolution"}` or `{"source", "asked", "given"}`, or why none.

    Of an approval that is what it is worth where nothing has changed since it was asked.
    """
    found: Person | Refused | None
    if "asked" in asked:
        found = _approver(people, asked, now_ns)
    elif "mode" in asked:
        changed = ModeChanged.from_bytes(json.dumps(asked["mode"]).encode())
        held = people.holder(changed.person or "")
        found = loosening_refused(changed, now_ns, 0, people) or (held.person if held else None)
    else:
        record = ResolutionRecorded.from_bytes(json.dumps(asked["resolution"]).encode())
        found = resolution_by(record, str(asked["source"]), people, now_ns)
    if isinstance(found, Refused):
        return {"person": None, "code": found.code, "sentence": found.sentence}
    return {"person": found.name if found else None, "code": None, "sentence": ""}


def _approver(people: People, asked: dict[str, Any], now_ns: int) -> Person | Refused | None:
    request = ApprovalRequested.from_bytes(json.dumps(asked["asked"]).encode())
    given = ApprovalGiven.from_bytes(json.dumps(asked["given"]).encode())
    source = str(asked["source"])
    word = Word(given, source, given.request_id, given.round, given.approver, sequence=1)
    standing = Standing(source, request.plan, request.targets, people, request.policy_version, now_ns)
    refused = settle(request, 0, [word], standing).refused
    held = people.holder(given.approver)
    return refused[0] if refused else held.person if held else None


def _question(asked: dict[str, Any], now_ns: int) -> PolicyQuestion:
    context = ContextResolved.from_bytes(json.dumps(asked["context"]).encode())
    plan = PlanMade.from_bytes(json.dumps(asked["plan"]).encode())
    return PolicyQuestion(
        requester=context.requester,
        source=str(asked["source"]),
        intent=plan.intent,
        steps=plan.steps,
        assets=context.assets,
        total_matching=context.total,
        at_ns=now_ns,
        selection=context.selection,
        hosts=context.hosts,
    )


def _warnings(policy: Policy, people: People, now_ns: int) -> Iterable[str]:
    if policy.file is None:
        return
    wanted: dict[str, int] = {}
    for rule in (*policy.file.demands, policy.file.otherwise):
        if rule.role is not None:
            wanted[rule.role] = max(wanted.get(rule.role, 0), rule.people or 0)
    for role, needed in wanted.items():
        able = [
            person for person in people.of_role(role) if any(_counts(people, key.public, now_ns) for key in person.keys)
        ]
        if len(able) < needed:
            yield f"{needed} of the role {role} may be asked and {len(able) or 'nobody'} of them has a key that counts"


def _counts(people: People, public: str, now_ns: int) -> bool:
    held = people.holder(public)
    return held is not None and held.why_not_at(now_ns) is None


def main(arguments: list[str]) -> int:
    """`check`, `show`, or `explain`, `signature` and `signatures` with the question as JSON on standard input.

    `signatures` are asked in a list, each with the moment of it as `at_ns`, nanoseconds since 1970.
    """
    files = RuleFiles(*files_of(dict(os.environ)))
    policy, people, now_ns = files.policy(), files.people(), time.time_ns()
    try:
        if arguments == ["check"]:
            found = checked(policy, people, now_ns)
        elif arguments == ["show"]:
            found = shown(policy, people, now_ns)
        elif arguments == ["explain"]:
            found = explained(policy, people, json.load(sys.stdin), now_ns)
        elif arguments == ["signature"]:
            found = signed(people, json.load(sys.stdin), now_ns)
        elif arguments == ["signatures"]:
            found = {"found": [signed(people, one, int(one["at_ns"])) for one in json.load(sys.stdin)]}
        else:
            raise ValueError("say check, show, explain, signature or signatures")
    except (ValueError, LookupError, TypeError) as error:
        faults = error.errors(include_url=False) if isinstance(error, ValidationError) else []
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults) or str(error)
        sys.stdout.write(json.dumps({"error": {"message": told, "advice": "opswire policy explain --help"}}))
        return CANNOT
    sys.stdout.write(json.dumps(found, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
