"""Importers on real inventories and on their hard lines: everything is stored, rejected or noted; nothing vanishes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.ansible_ini import read_ansible_ini
from opswire.assets.importers.formats import detect_format, read_inventory
from opswire.assets.importers.host_ranges import expand
from opswire.assets.importers.netbox_csv import read_netbox_csv
from opswire.assets.importers.opswire_yaml import read_yaml
from opswire.assets.inventory.store import Inventory
from opswire.assets.usecases.import_inventory import import_inventory

DATA = Path(__file__).parent / "data"
REAL = [
    ("netbox-demo-v3.6.devices.csv", "netbox-csv", 72),
    ("netbox-demo-v3.6.virtual-machines.csv", "netbox-csv", 180),
    ("netbox-demo-v3.6.devices-and-machines.json", "netbox-json", 252),
    ("netbox-demo-v3.6.devices-and-machines.sql", "netbox-sql", 252),
    ("fedora-infra-inventory.ini", "ansible-ini", 221),
    ("fedora-infra-builders.ini", "ansible-ini", 148),
    ("kubespray-sample-inventory.ini", "ansible-ini", 0),
    ("openshift-ansible-hosts.example.ini", "ansible-ini", 6),
    ("openshift-insights-nodes-machines.json", "kubernetes", 8),
    ("awslabs-sre-agent-deployments.json", "kubernetes", 3),
    ("awslabs-sre-agent-pods.json", "kubernetes", 5),
]


@pytest.mark.parametrize(("file", "form", "count"), REAL, ids=[row[0] for row in REAL])
async def test_everything_in_a_real_inventory_goes_in(inventory: Inventory, file: str, form: str, count: int) -> None:
    text = (DATA / file).read_text()
    assert detect_format(file, text) == form
    report = await import_inventory(inventory, text, None, file)
    assert (report.created, report.rejected) == (count, [])
    again = await import_inventory(inventory, text, form, file)
    assert (again.created, again.updated, again.unchanged) == (0, 0, count)


async def test_devices_and_machines_and_hosts_live_in_one_inventory(inventory: Inventory) -> None:
    for file, form, _ in REAL:
        report = await import_inventory(inventory, (DATA / file).read_text(), form, file)
        assert report.rejected == []
    # The dumps say what the exports say; ten hosts stand in both of Fedora's files, and change with the second.
    assert (await inventory.get("vm1")).attributes["external_id"] == "netbox:virtual-machine:361"
    assert len(await inventory.outbox_pending(10_000)) == 72 + 180 + 221 + 148 + 6 + 8 + 3 + 5


def test_netbox_names_what_has_no_name_and_tells_bearers_of_one_name_apart() -> None:
    read = read_netbox_csv((DATA / "netbox-demo-v3.6.devices.csv").read_text())
    assert len({record.name for record in read.records}) == 72
    unnamed = [record for record in read.records if record.name.startswith("device-")]
    shared = [record for record in read.records if record.aliases == ["PP:MDF"]]
    assert (len(unnamed), len(shared), len(read.notes)) == (22, 3, 25)
    assert all(record.name == f"PP:MDF.{(record.external_id or '').rpartition(':')[2]}" for record in shared)
    assert Counter(record.type for record in read.records) == {
        "switch": 26,
        "patch-panel": 19,
        "router": 13,
        "pdu": 13,
        "host": 1,
    }


def test_netbox_rows_that_cannot_be_used_are_rejected_by_line() -> None:
    rows = ["fw-1,Firewall,X,,10.0.0.1/24", ",Router,Y,,", "broken,row", "twin,,Z,,", "twin,,Z,7,"]
    read = read_netbox_csv("\n".join(["Name,Role,Device type,ID,IP Address", *rows]))
    assert [(record.name, record.type, record.address) for record in read.records] == [
        ("fw-1", "firewall", "10.0.0.1"),
        ("twin.7", "host", None),
    ]
    assert [note.line for note in read.rejected] == [3, 4, 5]


def test_ansible_groups_carry_environment_and_role() -> None:
    records = {
        record.name: record for record in read_ansible_ini((DATA / "fedora-infra-inventory.ini").read_text()).records
    }
    rabbit = records["rabbitmq01.stg.rdu3.fedoraproject.org"]
    assert (rabbit.environment, rabbit.attributes["role"], rabbit.address) == ("staging", "rabbitmq", rabbit.name)
    assert {"rabbitmq_stg", "staging"} <= set(rabbit.groups or [])
    # It stands in staging_friendly too, which does not make it staging.
    assert records["bastion01.rdu3.fedoraproject.org"].environment == "production"
    assert Counter(record.environment for record in records.values())["staging"] == 60


def test_an_inventory_of_comments_alone_says_that_it_holds_no_host() -> None:
    read = read_ansible_ini((DATA / "kubespray-sample-inventory.ini").read_text())
    assert read.records == []
    assert [note.text for note in read.notes] == ["no host in the file: 3 groups, 13 lines of comment"]


HARD_INI = """\
lonely ansible_host=10.0.0.9   # no group
[web]
web-[01:03].example.com:2222 ansible_user=ops http_port=8080
web-01.example.com ansible_ssh_pass=hunter2 note="two words"
db-[a:c]
bad-[3:1]
odd-[1:
host with spaces
"unclosed
[web:vars]
colour = blue
http_port = 80
ansible_become_password=hunter2
nonsense
[prod:children]
web
[prod:vars]
colour=green
region=eu
[loop_a:children]
loop_b
[loop_b:children]
loop_a
[web:wishes]
be fast
"""


def test_ansible_variables_follow_ansibles_order_and_hard_lines_are_said() -> None:
    read = read_ansible_ini(HARD_INI)
    records = {record.name: record for record in read.records}
    assert list(records) == ["lonely", *(f"web-0{i}.example.com" for i in (1, 2, 3)), "db-a", "db-b", "db-c"]
    web = records["web-01.example.com"]
    assert web.attributes == {
        "ssh_user": "ops",
        "ssh_port": "2222",
        "http_port": "8080",
        "note": "two words",
        "colour": "blue",
        "region": "eu",
        "role": "web",
    }
    assert (web.environment, web.groups, web.line) == ("production", ["web", "prod"], 3)
    assert (records["lonely"].address, records["lonely"].groups) == ("10.0.0.9", [])
    assert [note.line for note in read.rejected] == [6, 7, 8, 9, 14, 24, 25]
    assert [(note.line, note.text.partition(":")[0]) for note in read.notes] == [
        (4, "ansible_ssh_pass"),
        (13, "ansible_become_password"),
    ]
    assert "hunter2" not in repr(read)


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("a", [("a", None)]),
        ("a:22", [("a", "22")]),
        ("w[1:3]", [("w1", None), ("w2", None), ("w3", None)]),
        ("w[08:10]", [("w08", None), ("w09", None), ("w10", None)]),
        ("w[1:9:4]", [("w1", None), ("w5", None), ("w9", None)]),
        ("[a:b][1:2].x:22", [("a1.x", "22"), ("a2.x", "22"), ("b1.x", "22"), ("b2.x", "22")]),
        ("2001:db8::1", [("2001:db8::1", None)]),
        ("[2001:db8::1]:22", [("2001:db8::1", "22")]),
    ],
)
def test_host_ranges(pattern: str, hosts: list[tuple[str, str | None]]) -> None:
    assert expand(pattern) == hosts


@pytest.mark.parametrize(
    "pattern", ["w[3:1]", "w[1:", "w[a:9]", "w[01:100]", "w[1:999999999]", "w[1:2:0]", "[1:999][1:999]"]
)
def test_host_ranges_that_are_none_or_too_large_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"range|step|width|large|empty"):
        expand(pattern)


HARD_YAML = """\
defaults: {environment: production, tags: [core], attributes: {ssh_user: ops, rack: 1}}
assets:
  - {name: a, attributes: {ssh_port: 08, rack: null, on: yes, root_password: hunter2}}
  - {name: A}
  - {type: host}
  - just text
  - {name: b, colour: red}
  - {name: c, tags: core}
  - {name: d, owner: [x]}
  - {name: e, environment: stg, environment: prod}
  - {name: f, tags: [], environment: ~}
extra: 1
"""


def test_yaml_values_are_text_as_written_and_every_line_is_accounted_for() -> None:
    read = read_yaml(HARD_YAML)
    a, f = read.records
    assert (a.environment, a.tags, a.attributes) == (
        "production",
        ["core"],
        {"ssh_user": "ops", "ssh_port": "08", "on": "yes"},
    )
    assert (f.name, f.tags, f.environment) == ("f", [], "production")
    assert [note.line for note in read.rejected] == [4, 5, 0, 7, 8, 9, 10]
    assert sorted(note.line for note in read.notes) == [3, 12]
    assert "hunter2" not in repr(read)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "assets: 1",
        "- a",
        "assets: [",
        "assets: &x [{name: a}]\nmore: *x",
        "assets: !!python/object/apply:os.system [true]",
        "assets: []\n---\nassets: []",
        "assets: " + "[" * 100_000,
        "assets: [{name: a, attributes: {a: {b: {c: {d: {e: {f: {g: 1}}}}}}}}]",
        "defaults: {name: [}\nassets: []",
        "defaults: {colour: red}\nassets: []",
        "? [a]\n: 1\nassets: []",
    ],
)
def test_yaml_that_is_not_ours_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(UnreadableInventoryError):
        read_yaml(text)


def test_the_format_is_found_in_the_text_first() -> None:
    assert detect_format("x.csv", "# ours\nassets:\n- {name: a}\n") == "opswire-yaml"
    assert detect_format("hosts", "[web]\na\n") == "ansible-ini"
    assert detect_format("x", "\ufeffID,Name,Cluster,vCPUs\n1,a,b,2\n") == "netbox-csv"
    for text in ("", "name,colour\na,red\n", "hosts:\n  - a\n", "\x00\x01"):
        with pytest.raises(UnreadableInventoryError):
            detect_format("x", text)


def test_an_unknown_format_and_nul_characters_are_refused() -> None:
    with pytest.raises(UnreadableInventoryError, match="no format"):
        read_inventory("assets: []", "toml")
    with pytest.raises(UnreadableInventoryError, match="NUL"):
        read_inventory("[a]\nb\x00", "ansible-ini")
