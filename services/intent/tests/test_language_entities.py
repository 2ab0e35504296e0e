"""What a request names: inventory first, then shapes, then grammar; in order, without overlaps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from opswire.contracts.asset_changed import AssetChanged
from opswire.contracts.findings import Asset
from opswire.intent.language.entities import extract_entities, find_tokens
from opswire.intent.language.names import NameIndex
from opswire.intent.language.normalise import clean


def add(names: NameIndex, name: str, **fields: Any) -> None:
    values: dict[str, Any] = {"type": "host", "environment": "production", **fields}
    asset_id = f"id{len(names)}"
    asset = Asset(id=asset_id, name=name, **values)
    names.apply(AssetChanged(asset_id=asset_id, kind="created", generation=1, asset=asset, changed_ns=1))


@pytest.fixture(scope="module")
def names() -> NameIndex:
    index = NameIndex()
    add(index, "web-01", tags=["web"], site="dc2", os="Debian 12", criticality="high")
    add(index, "web-02", environment="staging")
    add(index, "db-01", criticality="critical")
    add(index, "checkout@web-01", type="service", aliases=["checkout"])
    add(index, "checkout@web-02", type="service", aliases=["checkout"], environment="staging")
    add(index, "orders-db@db-01", type="database", aliases=["orders-db", "orders database"])
    add(index, "all", aliases=["restart"])
    return index


def found(text: str, names: NameIndex) -> list[tuple[str, str]]:
    return [(entity.type.value, entity.value) for entity in extract_entities(text, names)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("list all servers in production", [("asset_type", "servers"), ("environment", "production")]),
        ("is checkout running on web-01?", [("service", "checkout"), ("host", "web-01")]),
        (
            "show the last 20 lines of the checkout log on web-01",
            [("count", "20"), ("service", "checkout"), ("host", "web-01")],
        ),
        ("can web-01 reach db-01 on port 6380?", [("host", "web-01"), ("host", "db-01"), ("port", "6380")]),
        ("can web-01 reach db-01 on 5432", [("host", "web-01"), ("host", "db-01"), ("port", "5432")]),
        ("resolve web-01 in dns", [("host", "web-01")]),
        ("how many hosts do we have in staging?", [("asset_type", "hosts"), ("environment", "staging")]),
        ("cpu on web-01 over the last hour", [("metric", "cpu"), ("host", "web-01"), ("time_range", "last hour")]),
        ("cat /etc/motd on web-01", [("path", "/etc/motd"), ("host", "web-01")]),
        ("restart the orders database", [("database", "orders database")]),
        ("errors since 9am in the payment logs", [("time_range", "since 9am"), ("service", "payment")]),
        ("run 'df -h' on web1.example.com", [("command", "df -h"), ("host", "web1.example.com")]),
        ("run df -h on all web servers", [("command", "df -h"), ("tag", "web"), ("asset_type", "servers")]),
        ("ping 10.0.4.12", [("ip", "10.0.4.12")]),
        ("ping 999.0.4.12", []),
        ("deploy api 2.4.1 to test", [("application", "api"), ("version", "2.4.1"), ("environment", "test")]),
        ("test if web-01 is up", [("host", "web-01")]),
        ("debian 12 boxes in dc2", [("os", "debian 12"), ("asset_type", "boxes"), ("site", "dc2")]),
        ("Reboot VM 110 on pve1", [("host", "VM 110"), ("host", "pve1")]),
        ("scale the api deployment to 6 replicas", [("service", "api"), ("count", "6")]),
        ("pods in the shop namespace", [("asset_type", "pods"), ("namespace", "shop")]),
        ("give dana sudo on build-2", [("user", "dana"), ("host", "build-2")]),
        ("sev1, page the database team", [("severity", "sev1")]),
        ("add a note to INC-231: failover started", []),
        ("/pager ack", []),
        ("what can you do?", []),
        ("drain node for maintenance", []),
        ('unpack "/srv/in/dump.tgz" into "/opt"', [("path", "/srv/in/dump.tgz"), ("path", "/opt")]),
        ("stop container 12", [("service", "container 12")]),
        ("which tasks ran on node alpha", [("host", "alpha")]),
        ("events of namespace shop", [("namespace", "shop")]),
        ("pods in the staging namespace", [("asset_type", "pods"), ("namespace", "staging")]),
        ("vms in resource group 'shop'", [("asset_type", "vms"), ("namespace", "shop")]),
        ("the error rate of checkout", [("metric", "error rate"), ("service", "checkout")]),
        ("did the nightly export job run", []),
        ("remind me in 20 minutes", [("time_range", "in 20 minutes")]),
        ("mute it on saturday 2-4 am", [("time_range", "saturday 2-4 am")]),
        ("ack 12 as dana@example.org", [("user", "dana@example.org")]),
        ("list storage pools", [("asset_type", "storage pools")]),
        ("show me the errors", []),
        ("how does the terraform lifecycle work", []),
        ("restart the load balancer", []),
        ("prune unused docker images", [("application", "docker"), ("asset_type", "images")]),
        ("run docker ps on web-01", [("command", "docker ps"), ("host", "web-01")]),
        ("restart multiple devices", [("asset_type", "devices")]),
        ("start a worker on an arc-enabled server", []),
        (
            "deploy version 1.4.0 of checkout on web-02",
            [("version", "1.4.0"), ("service", "checkout"), ("host", "web-02")],
        ),
        ('run "df -h" and "uptime" on web-01', [("command", "df -h"), ("command", "uptime"), ("host", "web-01")]),
        ('in /etc/app.conf on web-02 replace "a=/x/y" with "a=2"', [("path", "/etc/app.conf"), ("host", "web-02")]),
        ('change "db-01" to "/srv/db" in /etc/hosts on web-01', [("path", "/etc/hosts"), ("host", "web-01")]),
        ('change "web-01" to "web-02"', [("host", "web-01"), ("host", "web-02")]),
    ],
)
def test_requests_name_these_things(text: str, expected: list[tuple[str, str]], names: NameIndex) -> None:
    assert found(text, names) == expected


def test_an_asset_spelt_like_an_intent_is_taken_only_where_the_text_points_at_it(names: NameIndex) -> None:
    assert found("restart all servers", names) == [("asset_type", "servers")]
    assert found("show host all", names) == [("host", "all")]


def test_hidden_characters_do_not_hide_a_name(names: NameIndex) -> None:
    assert found("restart web\u200b-01", names) == [("host", "web-01")]


@pytest.mark.timeout(20)  # an expression that goes back on itself would take minutes
@pytest.mark.parametrize(
    "text",
    [
        "",
        "'" * 500,
        "`" * 501,
        "a-" * 3_000,
        "1." * 2_000,
        "/" * 4_000,
        "every " * 1_000,
        "last " * 1_500,
        "\x00\ud800",
    ],
)
def test_hostile_texts_are_read_in_bounded_time(text: str, names: NameIndex) -> None:
    assert len(extract_entities(text, names)) <= 64


def test_spans_keep_the_order_and_never_overlap(names: NameIndex) -> None:
    text = clean("Restart 'checkout' on web-01 and run `df -h /var` on 10.0.0.1:443 at 3am, then page sev 2 on port 22")
    spans = [(token.start, token.end) for token in find_tokens(text, names) if token.kind is not None]
    assert len(spans) >= 7
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
