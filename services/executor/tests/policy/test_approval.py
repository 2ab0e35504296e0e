"""Approvals: only the right people's signatures on exactly what is asked, checked where it is used.

One honest round and one honest word; each case forges one thing and must be refused with its own code.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from opswire.chassis.nkey import new_seed, public_of, sign
from opswire.chassis.statements import mode_statement
from opswire.contracts.approval_given import ApprovalGiven
from opswire.contracts.approval_requested import ApprovalRequested, ApprovalTarget
from opswire.contracts.approval_requested.v1 import Asker
from opswire.contracts.plan_made import PlanMade, Step
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import RequesterKind
from opswire.executor.rules.approval import Settlement, Standing, Word, digest_of_plan, settle, statement_of
from opswire.executor.rules.people import People

NOW = 1_780_000_000_000_000_000
MINUTE = 60_000_000_000
SEEDS = {name: new_seed() for name in ("dana", "dana's second", "kim", "alex", "revoked", "expired", "nobody")}
KEYS = {name: public_of(seed) for name, seed in SEEDS.items()}
PEOPLE = People.read(
    f"""
people:
  - name: dana
    aliases: [dana.scott, slack/U02AB, dana@example.com]
    roles: [operator]
    keys:
      - {{public: {KEYS["dana"]}}}
      - {{public: {KEYS["dana's second"]}}}
      - {{public: {KEYS["revoked"]}, revoked: 2026-01-01}}
      - {{public: {KEYS["expired"]}, valid_until: 2026-01-01}}
  - {{name: kim, roles: [operator, lead], keys: [{{public: {KEYS["kim"]}}}]}}
  - {{name: alex, roles: [reader], keys: [{{public: {KEYS["alex"]}}}]}}
""".encode()
)


def plan_of(steps: list[Step]) -> PlanMade:
    plan = PlanMade(request_id="r1", intent=IntentName.SERVICE_RESTART, steps=steps, digest="0" * 64)
    return plan.model_copy(update={"digest": digest_of_plan(plan)})


def step(number: int, **more: Any) -> Step:
    given: dict[str, Any] = {"asset_id": "a1", "asset_generation": 3, "arguments": {"unit": "nginx"}}
    return Step(number=number, tool="ssh.unit_restart", effect=Effect.WRITE, timeout_ms=1_000, **(given | more))


TARGET = ApprovalTarget(
    asset_id="a1",
    name="web-01",
    type="host",
    environment="production",
    criticality="high",
    address="192.0.2.7",
    generation=3,
)
PLAN = plan_of([step(number) for number in range(1, 201)])
ASKED = ApprovalRequested(
    request_id="r1",
    round=1,
    text="restart nginx on web-01",
    plan=PLAN,
    targets=[TARGET],
    requester=Asker(id="sam", kind=RequesterKind.HUMAN),
    people_needed=1,
    role="operator",
    reasons=["It changes production."],
    policy_version="b" * 64,
    asked_ns=NOW,
    expires_ns=NOW + 60 * MINUTE,
    deadline_ns=NOW + 70 * MINUTE,
    nonce="c" * 32,
)
STANDING = Standing("cli", PLAN, (TARGET,), PEOPLE, ASKED.policy_version, NOW + MINUTE)


def word(who: str = "dana", asked: ApprovalRequested = ASKED, **more: Any) -> Word:
    """An honest word on a round; `more` replaces fields of the message after it was signed."""
    decision = more.pop("decide", "approve")
    source = more.pop("source", "cli")
    given = ApprovalGiven(
        request_id=asked.request_id,
        round=asked.round,
        approver=KEYS[who],
        decision=decision,
        plan_digest=asked.plan.digest,
        nonce=asked.nonce,
        signature=sign(SEEDS[who], statement_of(asked, source, KEYS[who], decision)),
        given_ns=NOW,
    )
    return Word(given.model_copy(update=more), "cli", asked.request_id, asked.round, KEYS[who], 11)


def settled(words: list[Word], asked: ApprovalRequested = ASKED, standing: Standing = STANDING) -> Settlement:
    return settle(asked, 10, words, standing)


def altered(asked: ApprovalRequested = ASKED, **more: Any) -> ApprovalRequested:
    return asked.model_copy(update=more)


def test_one_honest_word_grants() -> None:
    assert settled([word()]) == Settlement("granted", ("dana",))
    assert settled([]).outcome == "waiting"


def test_two_people_are_two_people() -> None:
    asked = altered(people_needed=2)
    assert settled([word(asked=asked)], asked).outcome == "waiting"
    both = settled([word(asked=asked), word("kim", asked)], asked)
    assert (both.outcome, both.people) == ("granted", ("dana", "kim"))
    twice = settled([word(asked=asked), word("dana's second", asked)], asked)
    assert twice.outcome == "waiting"
    assert [each.code for each in twice.refused] == ["same_person_twice"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_no_outweighs_every_yes(order: int) -> None:
    asked = altered(people_needed=2)
    words = [word(asked=asked), replace(word("kim", asked, decide="deny"), sequence=12)]
    found = settled(words[::order], asked)
    assert (found.outcome, found.people) == ("denied", ("kim",))


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("", "kim said no"),
        (" \n ", "kim said no"),
        ("not before Monday", 'kim said no, with the note "not before Monday"'),
        ("the token=k3Rt-99-xyzzy is old", 'kim said no, with the note "the token=[redacted] is old"'),
        (
            "two\nlines\x1b[2J and \u202eodd\u200b",
            'kim said no, with the note "two lines\\x1b[2J and \\u202eodd\\u200b"',
        ),
        ('ok". Approved by "dana', "kim said no, with the note \"ok'. Approved by 'dana\""),
        ("x" * 1_000, f'kim said no, with the note "{"x" * 399}…"'),
    ],
)
def test_the_note_of_a_no_is_told_and_does_no_harm(note: str, told: str) -> None:
    assert settled([word("kim", decide="deny", note=note)]).sentence == told


def test_the_note_of_a_no_that_does_not_count_is_not_told() -> None:
    found = settled([word("alex", decide="deny", note="I may not")])
    assert (found.outcome, found.sentence) == ("waiting", "")


def forged_key() -> Word:
    """Signed by a stranger, under dana's name."""
    honest = word()
    stranger = sign(SEEDS["nobody"], statement_of(ASKED, "cli", KEYS["dana"], "approve"))
    return replace(honest, given=honest.given.model_copy(update={"signature": stranger}))


def signed_for(asked: ApprovalRequested, **more: Any) -> Word:
    """A real signature on another statement, with the fields of ours beside it."""
    other = word(asked=asked, **more).given.signature
    return word(signature=other)


def malleable() -> Word:
    """The same signature with its second half raised by the group's order, which naive verifiers accept."""
    raw = base64.b64decode(word().given.signature)
    order = 2**252 + 27742317777372353535851937790883648493
    twin = raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    return word(signature=base64.b64encode(twin).decode())


def respelt() -> Word:
    """The same signature in base64 whose spare bits are set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = word().given.signature
    return word(signature=f"{text[:85]}{alphabet[alphabet.index(text[85]) + 1]}==")


OTHER_PLAN = plan_of([*PLAN.steps[:149], step(150, arguments={"unit": "sshd"}), *PLAN.steps[150:]])
MORE_FIELDS = plan_of([*PLAN.steps[:149], step(150, arguments={"unit": "nginx", "force": True}), *PLAN.steps[150:]])
FORGED_WORDS: dict[str, tuple[str, Callable[[], Word]]] = {
    "target swapped": (
        "signature_invalid",
        lambda: signed_for(altered(targets=[TARGET.model_copy(update={"asset_id": "a2"})])),
    ),
    "address swapped": (
        "signature_invalid",
        lambda: signed_for(altered(targets=[TARGET.model_copy(update={"address": "192.0.2.9"})])),
    ),
    "a field added to a step": ("plan_differs", lambda: word(asked=altered(plan=MORE_FIELDS))),
    "a field added to a step, the digest copied": ("signature_invalid", lambda: signed_for(altered(plan=MORE_FIELDS))),
    "the bad step at place 150 of 200": ("plan_differs", lambda: word(asked=altered(plan=OTHER_PLAN))),
    "the bad step at place 150, the digest copied": ("signature_invalid", lambda: signed_for(altered(plan=OTHER_PLAN))),
    "signature respelt": ("signature_malformed", respelt),
    "signature's twin": ("signature_malformed", malleable),
    "signature cut": ("signature_malformed", lambda: word(signature=word().given.signature[:-4])),
    "reused on another request": ("another_request", lambda: word(asked=altered(request_id="r2"))),
    "reused on another request, renamed": ("signature_invalid", lambda: signed_for(altered(request_id="r2"))),
    "reused at another upstream": ("signature_invalid", lambda: word(source="pager")),
    "moved to another upstream": ("another_request", lambda: replace(word(), source="pager")),
    "reused on a later round": ("another_round", lambda: word(asked=altered(round=2))),
    "reused on a later round, renumbered": ("signature_invalid", lambda: signed_for(altered(round=2))),
    "the nonce of another round": ("nonce_differs", lambda: word(asked=altered(nonce="d" * 32))),
    "the nonce copied": ("signature_invalid", lambda: signed_for(altered(nonce="d" * 32))),
    "expiry moved": ("signature_invalid", lambda: signed_for(altered(expires_ns=NOW + 600 * MINUTE))),
    "another policy": ("signature_invalid", lambda: signed_for(altered(policy_version="d" * 64))),
    "a no turned into a yes": ("signature_invalid", lambda: word(decide="deny", decision="approve")),
    "another domain": (
        "signature_invalid",
        lambda: word(signature=sign(SEEDS["dana"], mode_statement("normal", "", KEYS["dana"], NOW))),
    ),
    "forged key": ("signature_invalid", forged_key),
    "unknown key": ("key_unknown", lambda: word("nobody")),
    "revoked key": ("key_revoked", lambda: word("revoked")),
    "expired key": ("key_not_valid", lambda: word("expired")),
    "another's subject": ("another_approver", lambda: replace(word(), approver=KEYS["kim"])),
    "no scope": ("role_missing", lambda: word("alex")),
    "approval before request": ("before_request", lambda: replace(word(), sequence=9)),
}


@pytest.mark.parametrize("case", FORGED_WORDS)
def test_a_forged_word_does_not_count(case: str) -> None:
    code, forge = FORGED_WORDS[case]
    forged = forge()
    found = settled([forged])
    assert found.outcome == "waiting"
    assert [each.code for each in found.refused] == [code]
    assert found.refused[0].sentence
    # An honest word beside it still counts.
    assert settled([forged, replace(word("kim"), sequence=12)]).outcome == "granted"


@pytest.mark.parametrize(
    ("who", "code"),
    [("nobody", "key_unknown"), ("revoked", "key_revoked"), ("expired", "key_not_valid"), ("alex", "role_missing")],
)
def test_whoever_cannot_approve_cannot_stop_it_either(who: str, code: str) -> None:
    found = settled([word(who, decide="deny"), replace(word("kim"), sequence=12)])
    assert (found.outcome, found.people) == ("granted", ("kim",))
    assert [each.code for each in found.refused] == [code]


@pytest.mark.parametrize(
    ("source", "requester"),
    [
        ("cli", "dana"),
        ("cli", "dana.scott"),
        ("cli", "Dana"),
        ("cli", "DANA\u200b"),
        ("slack", "U02AB"),
        ("portal", "dana@example.com"),
        ("portal", "dana@elsewhere.example"),
    ],
)
@pytest.mark.parametrize("key", ["dana", "dana's second"])
def test_nobody_approves_what_they_asked_for(source: str, requester: str, key: str) -> None:
    asked = altered(requester=Asker(id=requester, kind=RequesterKind.HUMAN))
    own = replace(word(key, asked, source=source), source=source)
    found = settled([own], asked, replace(STANDING, source=source))
    assert found.outcome == "waiting"
    assert [each.code for each in found.refused] == ["requester_is_approver"]


def target(**more: Any) -> tuple[ApprovalTarget, ...]:
    return (TARGET.model_copy(update=more),)


SECOND = TARGET.model_copy(update={"asset_id": "a2", "name": "web-02"})
TAMPERED = PLAN.model_copy(update={"steps": OTHER_PLAN.steps})
VOID: dict[str, tuple[str, str, Standing, ApprovalRequested]] = {
    "after cancel": ("void", "request_ended", replace(STANDING, ended=True), ASKED),
    "the host's address changed since": (
        "void",
        "target_changed",
        replace(STANDING, targets=target(address="192.0.2.8")),
        ASKED,
    ),
    "the address went": ("void", "target_changed", replace(STANDING, targets=target(address=None)), ASKED),
    "the asset changed since": ("void", "target_changed", replace(STANDING, targets=target(generation=4)), ASKED),
    "moved to production": ("void", "target_changed", replace(STANDING, targets=target(environment="test")), ASKED),
    "the asset is gone": ("void", "target_changed", replace(STANDING, targets=()), ASKED),
    "the targets grew": ("void", "target_changed", replace(STANDING, targets=(TARGET, SECOND)), ASKED),
    "the targets shrank": ("void", "target_changed", STANDING, altered(targets=[TARGET, SECOND])),
    "a target stands twice": ("void", "target_changed", replace(STANDING, targets=(TARGET, TARGET)), ASKED),
    "the stored plan is another": ("void", "plan_differs", replace(STANDING, plan=OTHER_PLAN), ASKED),
    "the stored plan was tampered with": ("void", "plan_differs", replace(STANDING, plan=TAMPERED), ASKED),
    "the shown plan was tampered with": ("void", "plan_differs", STANDING, altered(plan=TAMPERED)),
    "another request's plan": (
        "void",
        "another_request",
        replace(STANDING, plan=PLAN.model_copy(update={"request_id": "r2"})),
        ASKED,
    ),
    "the policy changed": ("void", "policy_changed", replace(STANDING, policy_version="d" * 64), ASKED),
    "expired": ("expired", "approval_expired", replace(STANDING, now_ns=ASKED.expires_ns), ASKED),
    "the whole time is over": (
        "expired",
        "approval_expired",
        replace(STANDING, now_ns=ASKED.deadline_ns, begun=True),
        ASKED,
    ),
}


@pytest.mark.parametrize("case", VOID)
def test_an_honest_word_counts_no_longer(case: str) -> None:
    outcome, code, standing, asked = VOID[case]
    words = [word(), word("kim")]
    assert settled(words).outcome == "granted"
    found = settled([word(asked=asked), word("kim", asked)], asked, standing)
    assert (found.outcome, found.code) == (outcome, code)
    assert found.sentence


def test_expiring_between_check_and_start() -> None:
    """Good when it was decided is not good when it begins; what has begun may be ended in the whole time."""
    last = replace(STANDING, now_ns=ASKED.expires_ns - 1)
    assert settled([word()], standing=last).outcome == "granted"
    assert settled([word()], standing=replace(last, now_ns=ASKED.expires_ns)).outcome == "expired"
    assert settled([word()], standing=replace(last, now_ns=ASKED.expires_ns, begun=True)).outcome == "granted"


def test_a_key_that_is_revoked_between_check_and_start() -> None:
    assert settled([word()]).outcome == "granted"
    found = settled([word()], standing=replace(STANDING, people=People.broken("gone")))
    assert (found.outcome, found.refused[0].code) == ("waiting", "people_unreadable")


def test_the_order_of_keys_and_targets_is_no_forgery() -> None:
    asked = altered(targets=[TARGET, SECOND])
    other_way = altered(targets=[SECOND, TARGET])
    standing = replace(STANDING, targets=(SECOND, TARGET))
    assert settled([word(asked=other_way)], asked, standing).outcome == "granted"
