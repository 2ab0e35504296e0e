"""Questions to the policy, each like a real one in all but what a test names."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from opswire.contracts.findings import Asset, Requester
from opswire.contracts.plan_made import Step
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import RequesterKind, Risk
from opswire.executor.rules.policy import Policy, Verdict
from opswire.executor.rules.policy_question import PolicyQuestion

PACKAGED = (files("opswire.executor") / "policy.yaml").read_bytes()
GRANTS_ALL = b"""
roles: [operator]
approval_window_s: 60
grants:
  - {name: everything, when: {}, because: Whatever it is}
otherwise: {verdict: approve, people: 1, role: operator, because: It is not granted}
"""
WINDOWS = b"""
roles: [operator]
approval_window_s: 60
windows:
  night: {time_zone: Europe/Berlin, days: [sun], from: "22:00", until: "06:00"}
  fair: {time_zone: Europe/Berlin, dates: [{from: 2026-10-24, until: "2026-10-25T03:30"}]}
demands:
  - {name: at_night, when: {inside: [night]}, verdict: refuse, because: It is night}
  - {name: by_day, when: {outside: [night, fair]}, verdict: approve, people: 1, role: operator, because: It is day}
  - {name: at_the_fair, when: {inside: [fair]}, verdict: approve, people: 2, role: operator, because: It is the fair}
grants: [{name: granted, when: {}, because: Whatever it is}]
otherwise: {verdict: refuse, because: It is not granted}
"""
REQUESTERS = b"""
roles: [operator]
approval_window_s: 60
demands:
  - {name: interns, when: {requesters: [kim, dana@example.com]}, verdict: refuse, because: Interns only read}
  - {name: programs, when: {requester_kinds: [service], sources: [pager]}, verdict: refuse, because: Not by itself}
grants: [{name: granted, when: {}, because: Whatever it is}]
otherwise: {verdict: refuse, because: It is not granted}
"""
NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
CRITICALITIES = ["low", "medium", "high", "critical"]
EFFECTS = list(Effect)
# From what may be touched most freely to what may not; a name that nobody knows is the last.
ENVIRONMENTS = ["test", "staging", "production"]


def asset(number: int = 1, environment: str = "production", criticality: str = "medium", **more: Any) -> Asset:
    return Asset(
        id=f"a{number}", name=f"web-{number:02}", type="host", environment=environment, criticality=criticality, **more
    )


def step(number: int = 1, effect: Effect = Effect.WRITE, risk: Risk = Risk.LOW, **more: Any) -> Step:
    given = {"asset_id": f"a{number}"} | more
    return Step(number=number, tool="ssh.unit_restart", effect=effect, risk=risk, timeout_ms=1_000, **given)


def question(**more: Any) -> PolicyQuestion:
    values: dict[str, Any] = {
        "requester": Requester(id="dana", kind=RequesterKind.HUMAN),
        "source": "cli",
        "intent": IntentName.SERVICE_RESTART,
        "steps": [step()],
        "assets": [asset()],
        "total_matching": 1,
        "at_ns": NOON,
        "selection": "named",
    }
    return PolicyQuestion(**(values | more))


def packaged() -> Policy:
    return Policy.read(PACKAGED)


def rules_of(verdict: Verdict) -> set[str]:
    return {reason.rule for reason in verdict.reasons}
