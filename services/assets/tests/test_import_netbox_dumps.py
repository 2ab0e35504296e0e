"""NetBox dumps, as JSON and as SQL: they say what the CSV exports say, and hold what is no inventory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.formats import chosen_format, detect_format
from opswire.assets.importers.netbox_csv import read_netbox_csv
from opswire.assets.importers.netbox_json import read_netbox_json
from opswire.assets.importers.netbox_sql import read_netbox_sql
from opswire.assets.records import AssetRecord

DATA = Path(__file__).parent / "data"
DUMP = "netbox-demo-v3.6.devices-and-machines"
HEAD = "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\n"


def by_name(records: list[AssetRecord]) -> dict[str, AssetRecord]:
    return {record.name: replace(record, line=0) for record in records}


def copied(table: str, columns: str, *rows: str) -> str:
    """A block of a dump; blanks in a row stand for its tabs."""
    return "\n".join(
        [f"COPY public.{table} ({columns}) FROM stdin;", *(row.replace(" ", "\t") for row in rows), "\\.", "\n"]
    )


def test_a_netbox_dump_and_the_exports_say_the_same() -> None:
    dumped = read_netbox_json((DATA / f"{DUMP}.json").read_text())
    exported = [
        record
        for kind in ("devices", "virtual-machines")
        for record in read_netbox_csv((DATA / f"netbox-demo-v3.6.{kind}.csv").read_text()).records
    ]
    fields = ("type", "environment", "owner", "site", "os", "groups", "tags", "aliases", "external_id")
    assert {record.name: [getattr(record, field) for field in fields] for record in dumped.records} == {
        record.name: [getattr(record, field) for field in fields] for record in exported
    }
    assert len(dumped.notes) == 25


def test_a_dump_of_the_database_and_one_by_netbox_itself_say_the_same() -> None:
    saved = read_netbox_sql((DATA / f"{DUMP}.sql").read_text())
    dumped = read_netbox_json((DATA / f"{DUMP}.json").read_text())
    assert by_name(saved.records) == by_name(dumped.records)
    assert {note.text for note in saved.notes} == {note.text for note in dumped.notes}
    assert saved.rejected == []


def test_a_netbox_dump_leads_from_addresses_and_tags_to_their_device() -> None:
    objects = [
        {"model": "dcim.device", "pk": 1, "fields": {"name": "a", "primary_ip4": 9, "custom_field_data": {"x": 1}}},
        {"model": "dcim.interface", "pk": 5, "fields": {"device": 1}},
        {"model": "ipam.ipaddress", "pk": 9, "fields": {"address": "10.0.0.9/24"}},
        {
            "model": "ipam.ipaddress",
            "pk": 10,
            "fields": {
                "address": "10.0.0.10/24",
                "assigned_object_type": ["dcim", "interface"],
                "assigned_object_id": 5,
            },
        },
        {"model": "extras.tag", "pk": 3, "fields": {"name": "edge"}},
        {
            "model": "extras.taggeditem",
            "pk": 4,
            "fields": {"content_type": ["dcim", "device"], "object_id": 1, "tag": 3},
        },
        {"model": "virtualization.virtualmachine", "pk": 2, "fields": {"name": "vm", "device": 1}},
        {"model": "dcim.device", "pk": 1, "fields": {"name": "twin"}},
        "noise",
    ]
    read = read_netbox_json(json.dumps(objects, indent=1))
    device, machine = read.records
    assert (device.address, device.tags, device.attributes["addresses"]) == (
        "10.0.0.9",
        ["edge"],
        "10.0.0.9, 10.0.0.10",
    )
    assert (device.attributes["cf_x"], machine.parent) == ("1", "a")
    assert len(read.rejected) == 2
    assert all(note.line > 1 for note in read.rejected)


SQL = (
    HEAD
    + copied("users_token", "id, key, user_id", "1 hunter2 1")
    + copied(
        "dcim_device",
        "id, name, custom_field_data, primary_ip4_id, serial",
        '1 a {"x":1} 9 s\\\\t\\t1',
        "2 \\N {} \\N \\N",
    )
    + copied("dcim_interface", "id, device_id", "5 1")
    + copied("django_content_type", "id, app_label, model", "1 dcim device", "2 dcim interface")
    + copied("extras_tag", "name, id", "edge 3")
    + copied("extras_taggeditem", "object_id, id, content_type_id, tag_id", "1 4 1 3")
    + copied(
        "ipam_ipaddress",
        "id, address, assigned_object_id, assigned_object_type_id",
        "9 10.0.0.9/24 \\N \\N",
        "10 10.0.0.10/24 5 2",
    )
    + copied("virtualization_virtualmachine", 'id, name, device_id, "position"', "2 vm 1 \\N", "3 short", "x vm 1 \\N")
)


def test_a_database_dump_leads_from_addresses_and_tags_to_their_device() -> None:
    assert detect_format("netbox.sql", SQL) == "netbox-sql"
    assert chosen_format("netbox", "x", SQL) == "netbox-sql"
    read = read_netbox_sql(SQL)
    device, unnamed, machine = read.records
    assert (device.address, device.tags, device.attributes["addresses"]) == (
        "10.0.0.9",
        ["edge"],
        "10.0.0.9, 10.0.0.10",
    )
    assert (device.attributes["cf_x"], device.attributes["serial"]) == ("1", "s\\t\t1")
    assert (unnamed.name, machine.name, machine.parent) == ("device-2", "vm", "a")
    lines = SQL.split("\n")
    assert [lines[note.line - 1].partition("\t")[0] for note in read.rejected] == ["3", "x"]
    assert lines[device.line - 1].startswith("1\ta\t")
    assert "hunter2" not in repr(read)


def test_a_cluster_says_the_site_of_its_machines_in_old_dumps_and_new_ones() -> None:
    for column in ("site_id", "_site_id"):
        text = (
            copied("dcim_site", "id, name", "7 ams2")
            + copied("virtualization_cluster", f"id, name, {column}", "8 c1 7")
            + copied("virtualization_virtualmachine", "id, name, cluster_id", "1 vm 8")
        )
        assert [(record.site, record.attributes["cluster"]) for record in read_netbox_sql(text).records] == [
            ("ams2", "c1")
        ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "without --inserts"),
        (HEAD + "INSERT INTO public.dcim_device VALUES (1, 'a');\n", "without --inserts"),
        (SQL[: SQL.index("\n5\t1")], "breaks off within dcim_interface"),
    ],
)
def test_a_database_dump_that_cannot_be_used_says_why(text: str, said: str) -> None:
    with pytest.raises(UnreadableInventoryError, match=said):
        read_netbox_sql(text)
