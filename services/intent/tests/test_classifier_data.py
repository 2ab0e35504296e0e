"""The labelled requests: enough, for every intent, no two the same, none a copy of the evaluation sample."""

from __future__ import annotations

from collections import Counter

from opswire.contracts.taxonomy import IntentName
from opswire.intent.classifier.labelled import digest_of, load_labelled, sameness

REQUESTS_MIN = 1_500
REQUESTS_PER_INTENT_MIN = 40


def test_every_intent_has_enough_requests() -> None:
    counts = Counter(row.intent for row in load_labelled())
    assert counts.total() >= REQUESTS_MIN
    assert {name: counts[name] for name in IntentName if counts[name] < REQUESTS_PER_INTENT_MIN} == {}


def test_no_two_requests_are_the_same_but_for_names_numbers_and_politeness() -> None:
    keys = Counter(sameness(row.text) for row in load_labelled())
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_intent_is_written_in_several_styles() -> None:
    styles: dict[IntentName, set[str]] = {}
    for row in load_labelled():
        styles.setdefault(row.intent, set()).add(row.style)
    assert {name: found for name, found in styles.items() if len(found) < 3} == {}


def test_the_digest_follows_texts_and_labels() -> None:
    rows = load_labelled()
    assert digest_of(rows) == digest_of(list(rows))
    assert digest_of(rows[1:]) != digest_of(rows)
