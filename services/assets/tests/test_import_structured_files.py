"""Ansible YAML, Kubernetes lists and mapped CSV: hard lines, hostile files, and what must never be stored."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from opswire.assets.errors import UnreadableInventoryError
from opswire.assets.importers.ansible_yaml import read_ansible_yaml
from opswire.assets.importers.csv_mapped import parse_mapping, read_csv
from opswire.assets.importers.formats import chosen_format, detect_format, read_inventory
from opswire.assets.importers.kubernetes import read_kubernetes
from opswire.assets.inventory.store import Inventory
from opswire.assets.usecases.import_inventory import import_inventory

ANSIBLE = """
all:
  vars: {ansible_user: ops, ansible_password: hunter2, dns: [a, b]}
  hosts: {lonely.example.com: {ansible_host: 10.0.0.1}}
  children:
    web_prod:
      hosts:
        web[01:03].example.com:2222: {http_port: 80}
        db-[a:c]:
      vars:
        become_pass: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          6162
      children: {edge: {children: {web_prod: {}}}}
    edge:
      hosts: {web02.example.com: {http_port: 81}}
    broken: [not, a, group]
"""


def test_ansible_yaml_knows_groups_children_ranges_and_variables() -> None:
    read = read_ansible_yaml(ANSIBLE)
    records = {record.name: record for record in read.records}
    assert len(records) == 7
    second = records["web02.example.com"]
    assert (second.environment, second.groups) == ("production", ["web_prod", "edge"])
    assert (second.attributes["http_port"], second.attributes["ssh_port"]) == ("81", "2222")
    assert second.attributes["ssh_user"] == "ops"
    assert (records["lonely.example.com"].address, records["db-b"].groups) == ("10.0.0.1", ["web_prod", "edge"])
    assert [note.text.partition(":")[0] for note in read.notes] == ["ansible_password", "dns", "become_pass"]
    assert [note.text for note in read.rejected] == ["broken: a group holds hosts, children and vars"]
    assert "hunter2" not in repr(read)
    assert "AES256" not in repr(read)


KUBERNETES = """
apiVersion: v1
kind: List
items:
  - kind: Deployment
    metadata: {name: checkout, namespace: shop-prod, labels: {team: shop, token: hunter2}}
    spec: {replicas: 3, template: {spec: {containers: [{env: [{name: PASSWORD, value: hunter2}]}]}}}
  - kind: Service
    metadata: {name: checkout, namespace: shop-prod}
    spec: {clusterIP: 10.3.0.7, ports: [{port: 8080}]}
  - kind: Pod
    metadata: {name: checkout-x1, namespace: shop-prod, ownerReferences: [{kind: ReplicaSet}]}
    spec: {nodeName: node-1}
  - kind: Node
    metadata: {name: node-1, labels: {topology.kubernetes.io/zone: fra1, node-role.kubernetes.io/worker: ""}}
    status:
      addresses: [{type: Hostname, address: node-1}, {type: InternalIP, address: 10.0.0.8}]
      nodeInfo: {osImage: Flatcar}
  - kind: Secret
    metadata: {name: keys}
    data: {password: aHVudGVyMg==}
  - metadata: {name: nameless-kind}
"""


def test_kubernetes_workloads_nodes_and_services() -> None:
    assert detect_format("x.yaml", KUBERNETES) == "kubernetes"
    read = read_kubernetes(KUBERNETES)
    found = {record.name: record for record in read.records}
    work, service = found["shop-prod/deployment/checkout"], found["shop-prod/service/checkout"]
    assert (work.aliases, work.environment, work.owner) == (["checkout", "shop-prod/checkout"], "production", "shop")
    assert (work.attributes["replicas"], service.aliases, service.address) == ("3", None, "10.3.0.7")
    assert (found["shop-prod/pod/checkout-x1"].parent, found["shop-prod/pod/checkout-x1"].aliases) == ("node-1", None)
    node = found["node-1"]
    assert (node.type, node.address, node.site, node.os, node.groups) == (
        "host",
        "10.0.0.8",
        "fra1",
        "Flatcar",
        ["worker-nodes"],
    )
    assert [note.line for note in read.rejected] == [22]
    assert len(read.notes) == 2
    assert "hunter2" not in repr(read)
    assert "aHVudGVyMg" not in repr(read)


def test_a_mapping_says_which_columns_are_which_fields() -> None:
    text = 'Hostname;Primary IP;Env;Tags;Root Password;Rack\nweb-1;10.0.0.1;prod;"a,b";hunter2;r1\n;;;;;r2\nx;y\n'
    read = read_csv(text, parse_mapping("name=hostname, address=Primary IP,environment=env,tags=Tags,attributes=*"))
    (record,) = read.records
    assert (record.name, record.address, record.environment, record.tags) == ("web-1", "10.0.0.1", "prod", ["a", "b"])
    assert record.attributes == {"rack": "r1"}
    assert [(note.line, note.text) for note in read.rejected] == [(3, "no name"), (4, "2 cells under 6 headings")]
    assert [note.line for note in read.notes] == [2]
    assert "hunter2" not in repr(read)


@pytest.mark.parametrize(
    "mapping", ["hostname", "colour=Hostname", "name=Nowhere", "name=Hostname,name=Env", "type=Env"]
)
def test_a_mapping_that_cannot_be_is_refused(mapping: str) -> None:
    with pytest.raises(UnreadableInventoryError):
        read_inventory("Hostname,Env\na,b\n", "csv", mapping)


def test_without_a_mapping_our_own_names_are_the_headings() -> None:
    read = read_inventory("name,type,colour\nweb-1,host,red\n", chosen_format("csv", "", ""))
    assert (read.records[0].name, read.records[0].type) == ("web-1", "host")
    assert "colour" in read.notes[0].text


SECRETS = [
    ("dbPassword", "x"),
    ("snmp_community", "x"),
    ("aws_secret_access_key", "x"),
    ("client-secret", "x"),
    ("note", "AKIAABCDEFGHIJKLMNOP"),
    ("note", "ghp_" + "a" * 36),
    ("note", "postgres://app:hunter2@db/x"),
    ("note", "redis://:hunter2@cache"),
    ("note", "$6$salt$hash"),
    ("note", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ("credential", "hunter2"),
]


@pytest.mark.parametrize(("key", "value"), SECRETS)
@pytest.mark.parametrize("form", ["ansible-ini", "ansible-yaml", "csv", "netbox-json", "netbox-sql"])
def test_no_credential_gets_in_or_is_repeated(form: str, key: str, value: str) -> None:
    quoted = json.dumps(value)
    files = {
        "ansible-ini": f"[web]\na {key}={quoted}\n",
        "ansible-yaml": f"web: {{hosts: {{a: {{{key}: {quoted}}}}}}}\n",
        "csv": f"name,{key}\na,{quoted}\n",
        "netbox-json": json.dumps(
            [{"model": "dcim.device", "pk": 1, "fields": {"name": "a", "custom_field_data": {key: value}}}]
        ),
        "netbox-sql": "COPY dcim_device (id, name, custom_field_data) FROM stdin;\n1\ta\t"
        + json.dumps({key: value}).replace("\\", "\\\\")
        + "\n\\.\n",
    }
    read = read_inventory(files[form], form, f"name=name,attributes.{key}={key}" if form == "csv" else None)
    said = [note for note in read.notes if key in note.text]
    shown = read.records[0].attributes
    if form.startswith("netbox") and key == "credential":
        assert key not in shown
    else:
        assert (len(said), value in shown.values()) == (1, False)
    assert value not in repr(read) or len(value) == 1


BOMB = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nweb:\n  hosts: {h: }\n"
QUICK_S = 30
"""A tenth of a second here; what is done once for each character of such a file takes hours."""

HOSTILE = [
    ("aliases", BOMB, "ansible-yaml"),
    ("a tag that would build an object", "web:\n  hosts: !!python/object:os.system {x: }\n", "ansible-yaml"),
    ("deep yaml", "web: " + "{a: " * 5_000 + "}" * 5_000, "ansible-yaml"),
    ("deep json", '{"kind": "List", "items": [' + "[" * 100_000 + "]" * 100_000 + "]}", "kubernetes"),
    ("half a document", '[{"model": "dcim.device", "pk": 1, "fields": {"name": "a"}}, {"model"', "netbox-json"),
    ("two documents", '[{"model": "dcim.device", "pk": 1, "fields": {}}] []', "netbox-json"),
    (
        "a number of 10,000 digits",
        '[{"model": "dcim.device", "pk": ' + "1" * 10_000 + ', "fields": {}}]',
        "netbox-json",
    ),
    ("nothing", "", "kubernetes"),
]


@pytest.mark.parametrize(("text", "form"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_a_hostile_file_is_refused_quickly(text: str, form: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UnreadableInventoryError) as refused:
        read_inventory(text, form)
    assert len(str(refused.value)) < 1_000
    assert time.monotonic() - begun < QUICK_S


@pytest.mark.parametrize("form", ["ansible-ini", "csv", "netbox-csv"])
def test_a_line_of_ten_megabytes_is_rejected_and_the_others_go_in(form: str) -> None:
    long = "x" * 10_000_000
    files = {
        "ansible-ini": f"[web]\na\nb note={long}\nc\n",
        "csv": f"name,site\na,s\nb,{long}\nc,s\n",
        "netbox-csv": f"name,serial,site\na,1,s\nb,{long},s\nc,2,s\n",
    }
    begun = time.monotonic()
    read = read_inventory(files[form], form)
    assert [record.name for record in read.records] == ["a", "c"]
    assert [note.line for note in read.rejected] == [3]
    assert len(read.rejected[0].text) < 200
    assert time.monotonic() - begun < QUICK_S


def test_a_range_of_more_hosts_than_any_inventory_is_rejected() -> None:
    read = read_inventory("web:\n  hosts: {'h[1:99999999]': , a: }\n", "ansible-yaml")
    assert ([record.name for record in read.records], len(read.rejected)) == (["a"], 1)


def test_circles_of_groups_end() -> None:
    ini = "[a]\nh\n[a:children]\nb\n[b:children]\nc\n[c:children]\na\n"
    yaml = "a: {hosts: {h: }, children: {b: {children: {c: {children: {a: }}}}}}\n"
    for form, text in (("ansible-ini", ini), ("ansible-yaml", yaml)):
        (record,) = read_inventory(text, form).records
        assert Counter(record.groups or []) == Counter("abc")


async def test_a_value_too_long_for_an_asset_is_rejected_with_its_line_alone(inventory: Inventory) -> None:
    text = "name,site\na,s\nb," + "x" * 100_000 + "\n"
    report = await import_inventory(inventory, text, "csv", "x.csv")
    assert (report.created, [note.line for note in report.rejected]) == (1, [3])
    assert len(report.rejected[0].text) < 300
