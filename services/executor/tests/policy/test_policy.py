"""The policy: any question gets a verdict, with reasons that say which rule and about what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from opswire.contracts.findings import Asset, Requester
from opswire.contracts.plan_made import Call
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import RequesterKind, Risk
from opswire.executor.rules.policy import Kind, Policy
from opswire.executor.rules.policy_question import hidden_character
from policy_scene import GRANTS_ALL, PACKAGED, REQUESTERS, WINDOWS, asset, packaged, question, rules_of, step


def test_the_packaged_file_passes_its_own_tests() -> None:
    policy = packaged()
    assert policy.fault is None
    assert policy.file is not None
    assert len(policy.file.tests) >= 20


def test_a_verdict_says_why_and_about_what() -> None:
    verdict = packaged().decide(question())
    assert (verdict.kind, verdict.people, verdict.role) == (Kind.APPROVE, 1, "operator")
    assert verdict.reasons[0].sentence == "It changes production. (web-01)"
    assert verdict.version == packaged().version
    assert verdict.approval_window_s == 14_400


def test_of_all_steps_the_strictest_counts() -> None:
    steps = [step(1, Effect.READ), step(2), step(3, Effect.DESTROY)]
    assets = [asset(1), asset(2, "development"), asset(3, "development")]
    verdict = packaged().decide(question(steps=steps, assets=assets, total_matching=3))
    assert (verdict.kind, verdict.people) == (Kind.APPROVE, 2)
    assert "destroys" in rules_of(verdict)
    assert any("web-03" in reason.sentence for reason in verdict.reasons)
    assert not any("only reads" in reason.sentence for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"assets": [], "total_matching": 0, "selection": "none"}, "no_targets"),
        ({"steps": [step(asset_id=None)]}, "no_targets"),
        ({"steps": [step(asset_id="a2")]}, "targets_grew"),
        ({"total_matching": 5_000}, "targets_grew"),
    ],
)
def test_targets_that_nobody_saw_are_refused_in_development_too(more: dict[str, Any], rule: str) -> None:
    verdict = packaged().decide(question(**({"assets": [asset(environment="development")]} | more)))
    assert verdict.kind is Kind.REFUSE
    assert rule in rules_of(verdict)


def test_the_host_of_a_named_service_is_no_growth() -> None:
    service = Asset(id="s1", name="checkout@web-01", type="service", environment="development", parent="web-01")
    asked = question(steps=[step(asset_id="a1")], assets=[service], hosts=[asset(environment="development")])
    assert packaged().decide(asked).kind is Kind.ALLOW


@pytest.mark.parametrize(
    "more",
    [
        {"selection": "filtered", "steps": [step(1), step(2)], "assets": [asset(1), asset(2)], "total_matching": 2},
        {"steps": [step(asset_id=None)]},
        {"total_matching": 2},
        {"assets": []},
    ],
)
def test_no_file_lets_unnamed_targets_pass_unseen(more: dict[str, Any]) -> None:
    policy = Policy.read(GRANTS_ALL)
    assert policy.decide(question()).kind is Kind.ALLOW
    verdict = policy.decide(question(**more))
    assert (verdict.kind, verdict.people) == (Kind.APPROVE, 1)
    assert "unnamed_targets" in rules_of(verdict)


def test_what_no_grant_lets_pass_is_what_the_file_says_otherwise() -> None:
    strict = Policy.read(GRANTS_ALL.replace(b"people: 1", b"people: 2"))
    assert strict.decide(question(total_matching=2)).people == 2
    refusing = Policy.read(GRANTS_ALL.replace(b"approve, people: 1, role: operator", b"refuse"))
    assert refusing.decide(question(total_matching=2)).kind is Kind.REFUSE


@pytest.mark.parametrize("order", [1, -1])
def test_of_all_rules_that_raise_the_risk_the_highest_counts(order: int) -> None:
    rules = [
        b"  - {name: much, risk: CRITICAL, because: It is much}",
        b"  - {name: some, risk: HIGH, because: It is some}",
    ]
    policy = Policy.read(GRANTS_ALL + b"risks:\n" + b"\n".join(rules[::order]) + b"\n")
    assert policy.fault is None
    assert policy.decide(question()).risk is Risk.CRITICAL


HIDDEN = {
    "right-to-left override": "\u202e",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "tag letter": "\U000e0041",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "NUL": "\0",
    "escape": "\x1b",
    "bell": "\x07",
    "line separator": "\u2028",
    "variation selector": "\ufe0f",
    "supplementary variation selector": "\U000e0100",
    "Hangul filler": "\u3164",
    "Braille blank": "\u2800",
    "private use": "\ue000",
    "unassigned": "\U000e0080",
}


@pytest.mark.parametrize("character", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize(
    "place", ["argument", "list", "name of an argument", "reverse", "verification", "asset", "address"]
)
def test_a_change_with_hidden_characters_is_refused(character: str, place: str) -> None:
    text = f"/etc/motd{character}x"
    call = Call(tool="ssh.file_read", arguments={"path": text}, timeout_ms=1)
    steps = {
        "argument": step(arguments={"path": text}),
        "list": step(arguments={"paths": ["/etc/motd", text]}),
        "name of an argument": step(arguments={text: "x"}),
        "reverse": step(reverse=call),
        "verification": step(verification=call),
    }
    more = {"asset": {"name": f"web{character}"}, "address": {"address": f"192.0.2.1{character}"}}.get(place, {})
    asked = question(steps=[steps.get(place, step())], assets=[asset().model_copy(update=more)])
    verdict = Policy.read(GRANTS_ALL).decide(asked)
    assert verdict.kind is Kind.REFUSE
    assert rules_of(verdict) == {"hidden_characters"}
    assert f"U+{ord(character):04X}" in verdict.reasons[0].sentence


@pytest.mark.parametrize("text", ["", "plain", "a\n\tb\r\n", "Müller", "файл", "重启", "it’s", "€"])
def test_what_can_be_seen_is_not_hidden(text: str) -> None:
    assert hidden_character(text) is None


def test_reading_a_file_with_odd_characters_is_no_change() -> None:
    asked = question(steps=[step(effect=Effect.READ, arguments={"path": "a\u200bb"})])
    assert packaged().decide(asked).kind is Kind.ALLOW


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "the file"),
        (b"\xff", "UTF-8"),
        (b"roles: [", "line"),
        (GRANTS_ALL + b"grants: []\n", "given twice"),
        (GRANTS_ALL.replace(b"when: {}", b"when: {risk_at_least: LOW}"), "grants.1 (everything).when.risk_at_least"),
        (GRANTS_ALL.replace(b"when: {}", b"when: {risk_at_most: SOME}"), "risk_at_most"),
        (GRANTS_ALL.replace(b"when: {}", b"when: {effects: []}"), "empty list"),
        (GRANTS_ALL.replace(b"when: {}", b"when: {inside: [night]}"), "no window 'night'"),
        (GRANTS_ALL.replace(b"role: operator", b"role: boss"), "'boss' is not among roles"),
        (GRANTS_ALL.replace(b"people: 1, ", b""), "approve needs people"),
        (GRANTS_ALL.replace(b"people: 1", b"people: 0"), "otherwise.people"),
        (GRANTS_ALL.replace(b"people: 1", b"people: true"), "otherwise.people"),
        (GRANTS_ALL.replace(b"name: everything", b"name: otherwise"), "is taken"),
        (GRANTS_ALL + b"windows: {night: {time_zone: Mars/Base, days: [mon]}}\n", "no time zone"),
        (GRANTS_ALL + b"windows: {night: {time_zone: UTC}}\n", "days or dates"),
        (GRANTS_ALL + b"windows: {night: {time_zone: UTC, days: [mon], from: 22:00}}\n", "in quotes"),
        (GRANTS_ALL + b"tests: [{name: t, ask: {}, expect: {verdict: refuse}}]\n", "verdict is 'allow', not 'refuse'"),
        (
            GRANTS_ALL + b"tests: [{name: t, ask: {}, expect: {verdict: allow, rules: [gone]}}]\n",
            "no rule has that name",
        ),
    ],
)
def test_a_broken_file_refuses_every_change_and_says_why(text: bytes, told: str) -> None:
    policy = Policy.read(text)
    assert policy.fault is not None
    assert told in policy.fault
    verdict = policy.decide(question(assets=[asset(environment="development")]))
    assert verdict.kind is Kind.REFUSE
    assert told in verdict.reasons[0].sentence
    assert policy.decide(question(steps=[step(effect=Effect.READ)])).kind is Kind.ALLOW
    secret = question(steps=[step(effect=Effect.READ)], intent=IntentName.SECRET_READ)
    assert policy.decide(secret).kind is Kind.REFUSE


def test_the_version_is_the_digest_of_the_bytes() -> None:
    assert len(packaged().version) == 64
    assert packaged().version == packaged().version != Policy.read(PACKAGED + b"\n").version


@pytest.mark.parametrize(
    ("utc", "rule"),
    [
        ("2026-03-01T20:59:59", "by_day"),  # Sunday in Berlin, 21:59:59
        ("2026-03-01T21:00:00", "at_night"),
        ("2026-03-02T04:59:59", "at_night"),  # Monday morning belongs to Sunday's night
        ("2026-03-02T05:00:00", "by_day"),
        ("2026-03-02T22:00:00", "by_day"),  # Monday's night is none
        ("2026-07-05T19:59:59", "by_day"),  # summer time: 21:59:59
        ("2026-07-05T20:00:00", "at_night"),
        ("2026-10-23T22:00:00", "at_the_fair"),  # midnight in summer time
        ("2026-10-25T01:00:00", "at_the_fair"),  # 02:00 for the second time
        ("2026-10-25T02:29:59", "at_the_fair"),
        ("2026-10-25T02:30:00", "by_day"),
    ],
)
def test_windows_are_read_on_the_wall_of_their_zone(utc: str, rule: str) -> None:
    policy = Policy.read(WINDOWS)
    assert policy.fault is None
    at_ns = int(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    assert rule in rules_of(policy.decide(question(at_ns=at_ns)))


@pytest.mark.parametrize(
    ("who", "kind", "source", "verdict"),
    [
        ("kim", "human", "cli", Kind.REFUSE),
        ("KIM@example.com", "human", "portal", Kind.REFUSE),
        ("dana", "human", "cli", Kind.REFUSE),
        ("alex", "human", "cli", Kind.ALLOW),
        ("alerts", "service", "pager", Kind.REFUSE),
        ("alerts", "service", "cron", Kind.ALLOW),
    ],
)
def test_who_asks_counts(who: str, kind: str, source: str, verdict: Kind) -> None:
    asked = question(requester=Requester(id=who, kind=RequesterKind(kind)), source=source)
    assert Policy.read(REQUESTERS).decide(asked).kind is verdict


def test_environments_of_ones_own() -> None:
    own = Policy.read(PACKAGED + b"\nenvironments: {qa: test}\n")
    assert own.fault is None
    assert own.decide(question(assets=[asset(environment="qa")])).kind is Kind.ALLOW
    assert packaged().decide(question(assets=[asset(environment="qa")])).kind is Kind.APPROVE
