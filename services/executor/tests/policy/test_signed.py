"""Going back to normal, and settling a step: only with a signature that was made for it, now, by somebody who may."""

from __future__ import annotations

from typing import Any

import pytest
from opswire.chassis.nkey import new_seed, public_of, sign
from opswire.chassis.statements import mode_statement, resolution_statement
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.executor.rules.approval import Refused
from opswire.executor.rules.people import People
from opswire.executor.rules.signed import CLOCKS_APART_NS, loosening_refused, resolution_by

NOW = 1_780_000_000_000_000_000
SEEDS = {name: new_seed() for name in ("dana", "alex", "nobody")}
KEYS = {name: public_of(seed) for name, seed in SEEDS.items()}
PEOPLE = People.read(
    f"""
people:
  - {{name: dana, roles: [operator], keys: [{{public: {KEYS["dana"]}}}]}}
  - {{name: alex, roles: [reader], keys: [{{public: {KEYS["alex"]}}}]}}
""".encode()
)


def normal(who: str = "dana", at_ns: int = NOW, **more: Any) -> ModeChanged:
    signature = sign(SEEDS[who], mode_statement("normal", "repaired", KEYS[who], at_ns))
    changed = ModeChanged(mode="normal", reason="repaired", person=KEYS[who], changed_ns=at_ns, signature=signature)
    return changed.model_copy(update=more)


def test_an_operator_ends_a_stop() -> None:
    assert loosening_refused(normal(), NOW + 1_000, NOW - 1, PEOPLE) is None


@pytest.mark.parametrize(
    ("changed", "stored_ns", "tightened_ns", "people", "code"),
    [
        (normal(signature=None), NOW, 0, PEOPLE, "signature_missing"),
        (normal(person=None), NOW, 0, PEOPLE, "signature_missing"),
        (normal(), NOW, NOW, PEOPLE, "signed_before"),
        (normal(), NOW + CLOCKS_APART_NS + 1, 0, PEOPLE, "signed_long_ago"),
        (normal(), NOW - CLOCKS_APART_NS - 1, 0, PEOPLE, "signed_long_ago"),
        (normal(reason="all is well"), NOW, 0, PEOPLE, "signature_invalid"),
        (normal(changed_ns=NOW + 1), NOW, 0, PEOPLE, "signature_invalid"),
        (normal(person=KEYS["alex"]), NOW, 0, PEOPLE, "signature_invalid"),
        (normal("alex"), NOW, 0, PEOPLE, "role_missing"),
        (normal("nobody"), NOW, 0, PEOPLE, "key_unknown"),
        (normal(), NOW, 0, People.broken("gone"), "people_unreadable"),
    ],
)
def test_others_do_not(changed: ModeChanged, stored_ns: int, tightened_ns: int, people: People, code: str) -> None:
    refused = loosening_refused(changed, stored_ns, tightened_ns, people)
    assert refused is not None
    assert refused.code == code


def finding(who: str = "alex", **more: Any) -> ResolutionRecorded:
    signature = sign(SEEDS[who], resolution_statement("cli", "r1", 2, "done", KEYS[who], "I looked", NOW))
    found = ResolutionRecorded(
        request_id="r1", number=2, found="done", person=KEYS[who], note="I looked", found_ns=NOW, signature=signature
    )
    return found.model_copy(update=more)


def test_whoever_has_a_key_may_say_what_they_found() -> None:
    found = resolution_by(finding(), "cli", PEOPLE, NOW)
    assert not isinstance(found, Refused)
    assert found.name == "alex"


@pytest.mark.parametrize(
    ("found", "source", "code"),
    [
        (finding(found="not_done"), "cli", "signature_invalid"),
        (finding(number=3), "cli", "signature_invalid"),
        (finding(note=""), "cli", "signature_invalid"),
        (finding(request_id="r2"), "cli", "signature_invalid"),
        (finding(), "pager", "signature_invalid"),
        (finding("nobody"), "cli", "key_unknown"),
    ],
)
def test_a_finding_counts_for_what_was_signed_alone(found: ResolutionRecorded, source: str, code: str) -> None:
    refused = resolution_by(found, source, PEOPLE, NOW)
    assert isinstance(refused, Refused)
    assert refused.code == code
