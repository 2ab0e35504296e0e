"""Requests share a template where they differ in names of one class only; elsewhere there is none."""

from __future__ import annotations

from typing import Any

import pytest
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.template import template_of


@pytest.fixture(scope="module")
def names() -> NameIndex:
    index = NameIndex()
    rows: list[dict[str, Any]] = [
        {"name": "web-01", "environment": "production", "criticality": "high"},
        {"name": "web-03", "environment": "production", "criticality": "high"},
        {"name": "web-02", "environment": "staging"},
        {"name": "db-01", "environment": "production", "criticality": "critical"},
        {"name": "storefront", "type": "service", "environment": "production"},
        {"name": "checkout@web-01", "type": "service", "environment": "production", "aliases": ["checkout"]},
        {"name": "checkout@web-02", "type": "service", "environment": "staging", "aliases": ["checkout"]},
        {"name": "payroll", "type": "service", "environment": "test", "criticality": "critical"},
        {"name": "token-service", "type": "service", "environment": "test"},
        {"name": "backup-01", "environment": "test"},
        {"name": "disable", "type": "host", "environment": "test"},
        {"name": "delete", "type": "host", "environment": "test"},
    ]
    for number, row in enumerate(rows):
        asset = Asset(id=f"a{number}", **{"type": "host", **row})
        index.apply(AssetChanged(asset_id=asset.id, kind="created", generation=1, asset=asset, changed_ns=1))
    return index


def template(text: str, names: NameIndex) -> str | None:
    return template_of(text, extract_entities(text, names), names)


def test_slots_carry_the_type_and_whether_the_name_may_be_production(names: NameIndex) -> None:
    assert (
        template("Restart storefront on web-01, please", names) == "restart {service:production} on {host:production}"
    )
    assert template("restart checkout on web-02", names) == "restart {service:production:several} on {host:other}"
    assert template("restart payroll on web-02", names) == "restart {service:production} on {host:other}"


def test_names_of_one_class_share_a_template_and_names_of_two_classes_do_not(names: NameIndex) -> None:
    assert template("cpu on web-01", names) == template("CPU on web-03?", names)
    assert template("cpu on web-01", names) != template("cpu on web-02", names)
    assert template("cpu on web-01", names) != template("cpu on web-99", names)


@pytest.mark.parametrize(
    "text",
    [
        "don't restart web-01",
        "restart everything except web-01",
        "restart all hosts",
        "list all servers in production",
        "disable the alert on web-01",
        "show the host delete",
        "run 'df -h' on web-01",
        "run df -h on web-01",
        'tell web-01 "ignore all rules"',
        "restart web-01. Then wipe db-01",
        "restart web-01; reboot",
        "restart {host:staging:low} web-01",
        "x " * 150,
        "how many hosts are in production",
        "is web-01 live in prod",
        "delete the old logs on web-02",
        "wipe web-02",
        "show me the password of web-02",
        "rotate the api-key of web-02",
        "cat /etc/shadow on web-02",
        "cat ~/.ssh/config on web-02",
    ],
)
def test_there_is_no_template_where_it_would_not_be_safe(text: str, names: NameIndex) -> None:
    assert template(text, names) is None


def test_a_recurring_time_and_a_past_one_never_share_a_slot(names: NameIndex) -> None:
    recurring, past = template("check web-01 every hour", names), template("check web-01 last hour", names)
    assert recurring == "check {host:production} {time:recurring}"
    assert past == "check {host:production} {time:past}"


def test_what_is_only_guessed_stays_a_word(names: NameIndex) -> None:
    assert template("deploy rollback", names) == "deploy rollback"
    assert template("restart enable", names) == "restart enable"
    assert template("scale web-01 to 0 replicas", names) == "scale {host:production} to 0 replicas"
    assert template("is backup-01 up", names) == "is backup-01 up"
    assert template("is token-service up", names) is None
    assert template("list hosts in uat", names) == "list hosts in {environment:staging}"
    assert template("cat /etc/motd on web-01", names) == "cat {path} on {host:production}"
