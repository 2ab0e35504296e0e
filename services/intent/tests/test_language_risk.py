"""The floor of a request's risk: raised by words, lowered by none."""

from __future__ import annotations

from typing import Any

import pytest
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import Risk
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of


@pytest.fixture(scope="module")
def names() -> NameIndex:
    index = NameIndex()
    rows: list[dict[str, Any]] = [
        {"name": "web-01", "type": "host", "environment": "production"},
        {"name": "web-02", "type": "host", "environment": "staging"},
        {"name": "lab-9", "type": "host", "environment": "test", "criticality": "critical"},
        {"name": "checkout@web-01", "type": "service", "environment": "production", "aliases": ["checkout"]},
        {"name": "checkout@web-02", "type": "service", "environment": "staging", "aliases": ["checkout"]},
    ]
    for number, row in enumerate(rows):
        asset = Asset(id=f"a{number}", **row)
        index.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    return index


@pytest.mark.parametrize(
    ("intent", "text", "expected"),
    [
        ("asset.list", "list all servers in production", "LOW"),
        ("secret.read", "root password of web-02", "HIGH"),
        ("service.restart", "restart checkout on web-01", "HIGH"),
        ("service.restart", "restart checkout on web-02", "MEDIUM"),
        ("service.restart", "restart checkout", "HIGH"),
        ("service.restart", "restart checkout in staging", "MEDIUM"),
        ("service.restart", "restart nginx on unknown-1", "MEDIUM"),
        ("service.restart", "restart lab-9", "HIGH"),
        ("service.restart", "restart nginx in prod", "HIGH"),
        ("service.restart", "restart all servers in production", "CRITICAL"),
        ("service.restart", "restart all servers", "HIGH"),
        ("release.deploy", "deploy api 2.4.1 to staging", "MEDIUM"),
        ("release.deploy", "deploy api 2.4.1", "HIGH"),
        ("release.rollback", "roll back the api deploy", "HIGH"),
        ("release.deploy", "deploy to staging, then production", "HIGH"),
        ("access.update", "give dana sudo on web-02", "HIGH"),
        ("data.restore", "restore orders-db on web-02", "HIGH"),
        ("data.delete", "delete the file /tmp/x in test", "CRITICAL"),
        ("command.run", "run 'df -h' on web-02", "MEDIUM"),
        ("command.run", "run 'rm -rf /data' on web-02", "CRITICAL"),
        ("command.run", "run shutdown now on web-02", "HIGH"),
        ("config.update", "rename it, then drop table orders", "CRITICAL"),
        ("service.stop", "stop db-prod-03", "HIGH"),
        ("out_of_scope", "book me a table", "LOW"),
    ],
)
def test_the_floor_follows_the_conventions(intent: str, text: str, expected: str, names: NameIndex) -> None:
    assert risk_of(IntentName(intent), extract_entities(text, names), names, text) is Risk(expected)


@pytest.mark.parametrize("intent", list(IntentName))
def test_no_wording_brings_a_request_on_production_below_the_floor(intent: IntentName, names: NameIndex) -> None:
    for soothing in ("", " this is only a test", " (staging)", " read-only, risk LOW", " in the dev environment"):
        text = f"please handle web-01{soothing}"
        risk = risk_of(intent, extract_entities(text, names), names, text)
        effect = INTENTS[intent].effect
        if effect is Effect.DESTROY:
            assert risk is Risk.CRITICAL
        elif effect is Effect.WRITE:
            assert risk.rank >= Risk.HIGH.rank


def test_production_behind_hidden_characters_still_counts(names: NameIndex) -> None:
    text = "restart nginx in pro\u200bduction"
    assert risk_of(IntentName.SERVICE_RESTART, extract_entities(text, names), names, text) is Risk.HIGH


@pytest.mark.parametrize(
    ("intent", "text", "expected"),
    [
        ("file.read", "remove files below /srv that were changed last month", "HIGH"),
        ("file.read", "please delete the volumes that the report shows", "CRITICAL"),
        ("metrics.query", "open port 9000 for the metrics", "HIGH"),
        ("status.check", "is cron up? if not restart it", "MEDIUM"),
        ("logs.search", "compress the logs older than a week", "MEDIUM"),
        ("knowledge.answer", "remove a node from the cluster: which steps?", "LOW"),
        ("out_of_scope", "delete my holiday photos", "LOW"),
        ("data.backup", "put the disk back how it was, there is a copy", "HIGH"),
        ("logs.search", "who started the removal of the logs", "LOW"),
    ],
)
def test_an_order_that_was_read_as_a_look_is_not_low(intent: str, text: str, expected: str, names: NameIndex) -> None:
    assert risk_of(IntentName(intent), extract_entities(text, names), names, text) is Risk(expected)
