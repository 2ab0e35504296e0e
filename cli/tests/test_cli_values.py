"""What people type: durations, keys, changes; and that foreign text cannot act in a terminal."""

from __future__ import annotations

import uuid

import pytest
from opswire.cli.bus import parse_time_ns
from opswire.cli.errors import UsageError
from opswire.cli.inventory import parse_changes
from opswire.cli.parking import redrive_id
from opswire.cli.values import duration_ms, new_request_id, request_key, shown_key
from opswire.cli.views.plain import harmless


@pytest.mark.parametrize(("text", "expected"), [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("1h", 3_600_000)])
def test_durations(text: str, expected: int) -> None:
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1d", "1e3s", "٣s" + "x"])
def test_other_durations_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        duration_ms(text)
    assert "30s" in refused.value.advice


def test_new_request_ids_are_uuids_of_version_7_in_order_of_time() -> None:
    ids = [new_request_id() for _ in range(200)]
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}
    assert len(set(ids)) == 200
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)


def test_request_keys() -> None:
    assert request_key("abc") == ("cli", "abc")
    assert request_key("pager/abc") == ("pager", "abc")
    assert shown_key("cli", "abc") == "abc"
    assert request_key(shown_key("pager", "abc")) == ("pager", "abc")


@pytest.mark.parametrize("text", ["", "a/", "a/b/c", "a.b", "A/b", "*", "x" * 65])
def test_other_request_keys_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        request_key(text)


def test_the_brokers_time_keeps_its_nanoseconds() -> None:
    assert parse_time_ns("2026-01-02T03:04:05.123456789Z") == 1_767_323_045_123_456_789
    assert parse_time_ns("2026-01-02T03:04:05Z") == 1_767_323_045_000_000_000
    assert parse_time_ns("2026-01-02T03:04:05.5Z") == 1_767_323_045_500_000_000


def test_changes_to_an_asset() -> None:
    pairs = ["environment=staging", "tags=a, b", "owner=", "attributes.ssh_port=22", "attributes.x="]
    assert parse_changes(pairs) == {
        "environment": "staging",
        "tags": ["a", "b"],
        "owner": None,
        "attributes": {"ssh_port": "22", "x": None},
    }
    with pytest.raises(UsageError, match="nosuch"):
        parse_changes(["nosuch=1"])
    with pytest.raises(UsageError):
        parse_changes(["environment"])


def test_a_redrive_id_fits_the_bound_of_ids() -> None:
    assert redrive_id("abc", 1) == "abc-r1"
    long = redrive_id("x" * 64, 12)
    assert len(long) == 64
    assert long.endswith("-r12")


def test_foreign_text_cannot_act_in_a_terminal() -> None:
    assert harmless("plain tëxt 中") == "plain tëxt 中"
    assert harmless("a\x1b[31mb") == "a\\x1b[31mb"
    assert harmless("a\u202eb\u200b") == "a\\u202eb\\u200b"
    assert harmless("\U000e0041") == "\\U000e0041"
    assert harmless("line\nnext") == "line\nnext"
