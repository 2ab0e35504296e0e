"""What the lab writes down: its inventory, and its ports."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest
import yaml
from opswire.lab import LabError
from opswire.lab.inventory import Asset, lab_assets, write_inventory
from opswire.lab.layout import HOSTS, SOCKET_PATH_BYTES_MAX, HostPaths, port_names
from opswire.lab.ports import Ports, is_free, load_ports, save_ports, settle_ports
from opswire.lab.surroundings import surrounding_assets

DOCUMENTATION = [ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
KEYS = {"name", "type", "environment", "criticality", "address", "owner", "site", "os", "parent"}
LISTS = {"groups", "tags", "aliases"}


@pytest.fixture
def ports() -> Ports:
    return settle_ports({}, {}, set())


@pytest.fixture
def assets(ports: Ports, tmp_path: Path) -> list[dict]:
    host_keys = {host.name: f"ssh-ed25519 AAAA {host.name}" for host in HOSTS}
    write_inventory(tmp_path / "inventory.yaml", [*lab_assets(ports, host_keys), *surrounding_assets()])
    return yaml.safe_load((tmp_path / "inventory.yaml").read_text())["assets"]


def test_every_asset_has_the_agreed_keys_and_text_values(assets: list[dict]) -> None:
    for asset in assets:
        assert set(asset) <= KEYS | LISTS | {"attributes"}
        assert all(isinstance(asset[key], str) for key in KEYS & set(asset))
        assert all(isinstance(item, str) for key in LISTS & set(asset) for item in asset[key])
        assert all(isinstance(value, str) for value in asset["attributes"].values())
        assert asset["environment"] in {"production", "staging", "development", "test"}


def test_names_are_unique_and_parents_exist(assets: list[dict]) -> None:
    types = {asset["name"]: asset["type"] for asset in assets}
    assert len(types) == len(assets)
    for asset in assets:
        if "@" in asset["name"]:
            assert asset["name"].endswith(f"@{asset['parent']}")
            assert types[asset["parent"]] == "host"
            assert asset["name"].partition("@")[0] in asset["aliases"]


def test_what_cannot_be_reached_has_addresses_for_documentation_only(assets: list[dict]) -> None:
    around = [asset for asset in assets if asset["attributes"].get("reachable") == "no"]
    assert 18 <= len(around) <= 26
    assert len(assets) - len(around) == 10
    for asset in around:
        if "address" in asset:
            assert any(ipaddress.ip_address(asset["address"]) in network for network in DOCUMENTATION)
        assert "credential" not in asset["attributes"]


def test_the_lab_follows_the_conventions_of_the_inventory(assets: list[dict], ports: Ports) -> None:
    by_name = {asset["name"]: asset for asset in assets}
    host = by_name["web-01"]
    assert host["address"] == "127.0.0.1"
    assert host["attributes"] == {
        "ssh_port": str(ports["web-01"]["ssh"]),
        "ssh_user": "opswire",
        "ssh_host_key": "ssh-ed25519 AAAA web-01",
        "credential": "file:lab/id_ed25519",
    }
    assert by_name["checkout@web-01"]["attributes"] == {
        "manager": "supervisor",
        "unit": "checkout",
        "log_path": "/var/log/checkout.log",
        "port": str(ports["web-01"]["checkout"]),
        "protocol": "http",
        "health_path": "/health",
    }
    assert by_name["orders-cache@db-01"]["type"] == "database"
    assert by_name["orders-cache@db-01"]["attributes"]["protocol"] == "valkey"
    for name, needed in (
        ("orders-db@db-01", {"data_path": "/var/lib/orders-db/orders.sqlite3", "backup_dir": "/var/backups"}),
        ("storefront@web-02", {"release_link": "/srv/storefront/current", "previous_release": "1.4.0"}),
        ("mailer@web-01", {"group": "mailer", "replicas_max": "6"}),
    ):
        assert needed.items() <= by_name[name]["attributes"].items()
    assert by_name["checkout@web-02"]["environment"] == "staging"


@pytest.mark.parametrize(
    "text", ["no", "Yes", "8080", "1e3", "a: b", "a # b", 'it\'s "quoted"', "127.0.0.1", "x y", "é"]
)
def test_text_stays_text_in_yaml(text: str, tmp_path: Path) -> None:
    asset = Asset(text, "host", "test", "low", tags=(text,), attributes={"value": text})
    write_inventory(tmp_path / "inventory.yaml", [asset])
    read = yaml.safe_load((tmp_path / "inventory.yaml").read_text())["assets"][0]
    assert (read["name"], read["tags"], read["attributes"]) == (text, [text], {"value": text})


def test_ports_are_kept(ports: Ports, tmp_path: Path) -> None:
    save_ports(tmp_path / "lab.json", ports)
    kept = load_ports(tmp_path / "lab.json")
    assert kept == ports
    assert settle_ports(kept, {}, set()) == ports
    chosen = [port for names in ports.values() for port in names.values()]
    assert len(set(chosen)) == sum(len(port_names(host)) for host in HOSTS) == 9


def test_a_running_host_keeps_the_ports_it_listens_on(ports: Ports) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports["web-01"]["ssh"]))
        listener.listen()
        assert not is_free(ports["web-01"]["ssh"])
        assert settle_ports(ports, {}, {"web-01"})["web-01"] == ports["web-01"]
        assert settle_ports(ports, {}, set())["web-01"]["ssh"] != ports["web-01"]["ssh"]


def test_given_ports_are_used_or_refused_never_replaced(ports: Ports) -> None:
    wanted = ports["web-01"]["checkout"]
    assert settle_ports({}, {"web-01": {"checkout": wanted}}, set())["web-01"]["checkout"] == wanted
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", wanted))
        listener.listen()
        with pytest.raises(LabError, match=f"Port {wanted}, given for checkout on web-01, is taken"):
            settle_ports({}, {"web-01": {"checkout": wanted}}, set())
    with pytest.raises(LabError, match="no port 'nginx'"):
        settle_ports({}, {"web-01": {"nginx": 80}}, set())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hosts": []}', '{"hosts": {"web-01": {"ssh": "x"}}}'])
def test_an_unreadable_port_file_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(text)
    assert load_ports(tmp_path / "lab.json") == {}


def test_the_supervisor_socket_fits_into_a_socket_address(tmp_path: Path) -> None:
    near = HostPaths(Path("/tmp/state/lab/web-01"))
    assert near.supervisor_socket.parent == near.home
    far = HostPaths(tmp_path / ("x" * 100) / "web-01")
    assert far.supervisor_socket.parent != far.home
    assert len(str(far.supervisor_socket)) <= SOCKET_PATH_BYTES_MAX
    assert far.supervisor_socket != HostPaths(tmp_path / ("y" * 100) / "web-01").supervisor_socket
