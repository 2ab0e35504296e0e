"""The policy in force, asked of the executor's own rules: a program of its own, since the command line imports none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from opswire.cli.bus import connected
from opswire.cli.errors import CommandError, NotFoundError, UsageError
from opswire.cli.facts import body_of, fact_name
from opswire.cli.state import StateDir, broker_url
from opswire.cli.values import request_key, shown_key, unknown_request

MODULE = "opswire.executor.policy_command"
CANNOT = 2
FILES = {"OPSWIRE_POLICY_FILE": "policy.yaml", "OPSWIRE_PEOPLE_FILE": "people.yaml"}


def rule_environment(state: StateDir, given: dict[str, str]) -> dict[str, str]:
    """The environment with the files of the rules: as given, as set, else those of the state directory, if any."""
    found = dict(os.environ)
    for variable, name in FILES.items():
        own = state.path / name
        if variable in given:
            found[variable] = given[variable]
        elif variable not in found and own.is_file():
            found[variable] = str(own)
    return found


def ask_policy(action: str, environment: dict[str, str], question: object = None) -> dict[str, Any]:
    """The program's document. Raises UsageError with what it refuses, CommandError when it breaks."""
    done = subprocess.run(
        [sys.executable, "-m", MODULE, action],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode not in (0, CANNOT):
        raise CommandError(f"{MODULE} ended with status {done.returncode}", "see the lines above")
    found: dict[str, Any] = json.loads(done.stdout)
    if "error" in found:
        raise UsageError(found["error"]["message"].replace("Value error, ", ""), found["error"]["advice"])
    return found


async def question_about(state: StateDir, request: str) -> dict[str, Any]:
    """The context and the plan of a request. Raises NotFoundError where there is none yet."""
    source, request_id = request_key(request)
    async with connected(broker_url(state)) as bus:
        facts = {fact_name(fact): body_of(fact) for fact in await bus.facts(source, request_id)}
    if not facts:
        raise unknown_request(source, request_id)
    for name in ("context", "plan"):
        if name not in facts:
            raise NotFoundError(
                f"{shown_key(source, request_id)} has no {name}, so the policy was not asked",
                f"opswire show {shown_key(source, request_id)}; opswire policy explain --as NAME --intent INTENT",
            )
    return {"source": source, "context": facts["context"], "plan": facts["plan"]}
