"""people.yaml: one human being is one person, whatever they are called and wherever they ask."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from opswire.chassis.nkey import new_seed, public_of
from opswire.executor.rules.people import People

KEY, OTHER = public_of(new_seed()), public_of(new_seed())
PEOPLE = f"""
people:
  - name: Dana Scott
    aliases: [dana.s, dana@example.com, slack/U02AB, "renée"]
    roles: [operator, lead]
    keys:
      - {{public: {KEY}, valid_from: 2026-01-01T00:00:00Z, valid_until: 2026-07-01T00:00:00+02:00}}
  - name: kim
    roles: [operator]
    keys: [{{public: {OTHER}, revoked: 2026-03-01}}]
"""


def at_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("source", "requester"),
    [
        ("cli", "Dana Scott"),
        ("cli", "dana scott"),
        ("cli", "DANASCOTT"),
        ("cli", "dana.s"),
        ("portal", "@dana.s"),
        ("portal", "dana@example.com"),
        ("portal", "Dana@Example.Com"),
        ("portal", "dana"),
        ("portal", "dana@another.example"),
        ("slack", "U02AB"),
        ("slack", "u02ab"),
        ("cli", "slack/U02AB"),
        ("cli", "renee"),
        ("cli", "rene\u0301e"),
        ("cli", "dana\u200b.s"),
        ("cli", "\uff44ana.s"),
        ("cli", " dana.s\n"),
        ("cli", "d\u0430n\u0430.\u0455"),
        ("portal", "D\u0410N\u0410@example.com"),
        ("cli", "d\u03b1na.s"),
        ("cli", "dana.s\u3164"),
        ("cli", "da\u115fna.s"),
        ("cli", "CORP\\dana.s"),
        ("portal", "corp\\dana"),
    ],
)
def test_every_way_to_write_a_person_is_that_person(source: str, requester: str) -> None:
    found = People.read(PEOPLE.encode()).asking(source, requester)
    assert found is not None
    assert found.name == "Dana Scott"


@pytest.mark.parametrize(
    ("source", "requester"), [("pager", "U02AB"), ("cli", "dan"), ("cli", "kimberly"), ("cli", "")]
)
def test_others_are_not(source: str, requester: str) -> None:
    assert People.read(PEOPLE.encode()).asking(source, requester) is None


@pytest.mark.parametrize(
    ("key", "at", "code"),
    [
        (KEY, "2025-12-31T23:59:59", "key_not_valid"),
        (KEY, "2026-01-01T00:00:00", None),
        (KEY, "2026-06-30T21:59:59", None),
        (KEY, "2026-06-30T22:00:00", "key_not_valid"),
        (OTHER, "2026-02-01T00:00:00", "key_revoked"),
    ],
)
def test_a_key_counts_in_its_time(key: str, at: str, code: str | None) -> None:
    held = People.read(PEOPLE.encode()).holder(key)
    assert held is not None
    why_not = held.why_not_at(at_ns(at))
    assert (why_not and why_not[0]) == code


def test_roles_and_unknown_keys() -> None:
    people = People.read(PEOPLE.encode())
    assert [person.name for person in people.of_role("operator")] == ["Dana Scott", "kim"]
    assert [person.name for person in people.of_role("lead")] == ["Dana Scott"]
    assert people.holder(public_of(new_seed())) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("people: [{name: a, keys: [{public: UABC}]}]", "people.1 (a).keys.1.public"),
        (f"people: [{{name: a, keys: [{{public: {KEY[:-1]}A}}]}}]", "a character is wrong"),
        (f"people: [{{name: a, keys: [{{public: {KEY}}}]}}, {{name: b, keys: [{{public: {KEY}}}]}}]", "both a and b"),
        ("people: [{name: dana}, {name: kim, aliases: [DANA]}]", "names both dana and kim"),
        ("people: [{name: dana}, {name: dana}]", "the same name"),
        ("people: [{name: dana, role: [operator]}]", "people.1 (dana).role"),
        ("people: [{name: dana}]\npeople: []", "given twice"),
        ("people: [&a {name: dana}, *a]", "aliases are not taken"),
        (f"people: [{{name: a, keys: [{{public: {KEY}, valid_until: 2026-07-01T00:00:00}}]}}]", "with its zone"),
        ("people: 5", "people"),
        ("people: [", "line"),
        ("\x00", "no YAML"),
        ("[" * 5_000, "no YAML"),
    ],
)
def test_a_file_with_a_fault_holds_nobody_and_says_why(text: str, told: str) -> None:
    people = People.read(text.encode())
    assert people.fault is not None
    assert told in people.fault
    assert people.people == ()
    assert people.holder(KEY) is None


def test_bytes_that_are_no_text() -> None:
    assert "UTF-8" in (People.read(b"people: \xff").fault or "")
