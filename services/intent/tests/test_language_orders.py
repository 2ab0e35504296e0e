"""Orders to change something are told by their verbs, and no look at live systems is read into them."""

from __future__ import annotations

import pytest
from opswire.contracts.taxonomy import INTENTS, Effect
from opswire.contracts.types import Risk
from opswire.intent.classifier.labelled import load_labelled
from opswire.intent.language.orders import contradicts_orders, least_risk_ordered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("could you please remove old logs and show the rest", "HIGH"),
        ("change the permissions of /srv to 755 and count the files", "HIGH"),
        ("is it up? otherwise restart it", "MEDIUM"),
        ("copy the logs to /mnt", "MEDIUM"),
        ("show who removed the logs", "LOW"),
        ("create a report of all restarts", "LOW"),
        ("", "LOW"),
    ],
)
def test_verbs_say_how_much_is_ordered(text: str, expected: str) -> None:
    assert least_risk_ordered(text) is Risk(expected)


def test_no_labelled_look_at_live_systems_is_taken_for_an_order() -> None:
    looks = [row for row in load_labelled() if contradicts_orders(row.intent)]
    assert len(looks) > 1_000
    assert [row.text for row in looks if least_risk_ordered(row.text) is not Risk.LOW] == []


def test_only_looks_contradict_an_order() -> None:
    contradicting = [intent for intent in INTENTS if contradicts_orders(intent)]
    assert contradicting
    assert all(INTENTS[intent].effect is Effect.READ for intent in contradicting)
