"""`assets diff|import|set|rename|delete|list` against a real inventory and a real cache service on a real broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.embedded.ports import free_port
from opswire.cli.http import ServiceClient
from opswire.cli.testing import CommandLine

TOKEN = "token-of-a-test"
HOSTS = """assets:
  - {name: web-01, type: host, environment: production, address: 192.0.2.7, owner: team-shop, attributes: {rack: r1}}
  - {name: db-01, type: host, environment: production, address: 192.0.2.8}
  - {name: checkout@web-01, type: service, parent: web-01, aliases: [checkout]}
"""


@pytest.fixture(scope="module")
def services(start_service: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of an inventory of its own, and of the cache service that hears of its changes."""
    inventory = f"sqlite:///{tmp_path_factory.mktemp('inventory')}/inventory.sqlite3"
    assets = start_service("assets", OPSWIRE_INVENTORY_URL=inventory)
    return {"OPSWIRE_ASSETS_URL": assets, "OPSWIRE_CACHE_URL": start_service("cache", OPSWIRE_ASSETS_URL=assets)}


@pytest.fixture
def opswire(tmp_path: Path, broker: NatsServer, services: dict[str, str]) -> CommandLine:
    settings = {"OPSWIRE_NATS_URL": broker.url, "OPSWIRE_HTTP_TOKEN": TOKEN}
    return CommandLine(tmp_path / "state", settings | services)


@pytest.fixture
def hosts(opswire: CommandLine, tmp_path: Path) -> Path:
    """A file of three assets that are in the inventory as it states them, and nothing else is in it."""
    inventory = ServiceClient(opswire.environment["OPSWIRE_ASSETS_URL"], TOKEN)
    for asset in sorted(inventory.call("GET", "/assets")["assets"], key=lambda asset: asset.get("parent") is None):
        inventory.call("DELETE", f"/assets/{asset['name']}")
    file = tmp_path / "hosts.yaml"
    file.write_text(HOSTS)
    assert done(opswire, "import", str(file))["caches_settled"] is True
    return file


def done(opswire: CommandLine, *arguments: str) -> Any:
    """What a command that succeeds answers to machines."""
    found = opswire.run("assets", *arguments, "--json")
    assert found.status == 0, found.err + found.out
    return found.json


def test_diff_says_what_an_import_would_do_and_changes_nothing(opswire: CommandLine, hosts: Path) -> None:
    hosts.write_text(
        "assets:\n"
        "  - {name: web-01, owner: team-web, attributes: {rack: r2, password: hunter2}}\n"
        "  - {name: web-02, type: host}\n"
        "  - {name: checkout@web-01}\n"
        "  - {type: host}\n"
    )
    for _ in range(2):
        found = done(opswire, "diff", str(hosts))
        assert (found["added"], found["gone"], found["unchanged"]) == (["web-02"], ["db-01"], 1)
        (changed,) = found["changed"]
        assert {(one["field"], one["before"], one["after"]) for one in changed["fields"]} == {
            ("owner", "team-shop", "team-web"),
            ("attributes.rack", "r1", "r2"),
        }
        assert [note["line"] for note in found["rejected"]] == [5]
    people = opswire.run("assets", "diff", str(hosts))
    assert people.status == 0, people.err
    for words in ("1 added · 1 changed · 1 unchanged · 1 gone", "+ web-02", "owner: team-shop -> team-web", "- db-01"):
        assert words in people.out
    assert "hunter2" not in people.out + str(found)
    report = done(opswire, "import", str(hosts))
    assert (report["created"], report["updated"], report["unchanged"]) == (1, 1, 1)
    after = done(opswire, "diff", str(hosts))
    assert (after["added"], after["changed"], after["unchanged"]) == ([], [], 3)


def test_a_renamed_asset_answers_to_its_new_name_alone_and_what_is_on_it_follows(
    opswire: CommandLine, hosts: Path
) -> None:
    before = done(opswire, "show", "web-01")
    renamed = done(opswire, "rename", "web-01", "web-1")
    assert (renamed["name"], renamed["id"], renamed["caches_settled"]) == ("web-1", before["id"], True)
    assert renamed["generation"] > before["generation"]
    old = opswire.run("assets", "show", "web-01", "--json")
    assert (old.status, old.json["error"]["code"]) == (4, "not_found")
    assert "web-1" in old.json["error"]["message"]
    assert [asset["name"] for asset in done(opswire, "list", "--parent", "web-1")["assets"]] == ["checkout@web-01"]
    taken = opswire.run("assets", "rename", "web-1", "db-01", "--json")
    assert taken.status == 2
    assert "db-01" in taken.json["error"]["message"]
    assert opswire.run("assets", "rename", "nowhere", "web-03").status == 4


def test_an_asset_is_deleted_once_nothing_lives_on_it(opswire: CommandLine, hosts: Path) -> None:
    kept = opswire.run("assets", "delete", "web-01", "--json")
    assert kept.status == 2
    assert "checkout@web-01" in kept.json["error"]["message"]
    assert done(opswire, "delete", "checkout@web-01")["caches_settled"] is True
    people = opswire.run("assets", "delete", "web-01")
    assert people.status == 0, people.err
    for words in ("deleted web-01; it was:", "address: 192.0.2.7", "attributes.rack: r1"):
        assert words in people.out
    assert opswire.run("assets", "delete", "web-01").status == 4
    assert [asset["name"] for asset in done(opswire, "list", "--environment", "production")["assets"]] == ["db-01"]
    assert done(opswire, "import", str(hosts))["created"] == 2


def test_assets_are_found_by_what_is_known_of_them(opswire: CommandLine, hosts: Path) -> None:
    for filters, names in (
        (("--attribute", "rack=r1"), {"web-01"}),
        (("--attribute", "rack"), {"web-01"}),
        (("--type", "server", "--owner", "shop"), {"web-01"}),
        (("--name", "checkout"), {"checkout@web-01"}),
        (("--address", "192.0.2.8"), {"db-01"}),
        (("--environment", "prod"), {"web-01", "db-01"}),
    ):
        assert {asset["name"] for asset in done(opswire, "list", *filters)["assets"]} == names
    near = opswire.run("assets", "show", "web-O1")
    assert (near.status, "names like it: web-01" in near.err) == (4, True)


def test_an_environment_that_nobody_has_yet_is_meant_or_refused(opswire: CommandLine, hosts: Path) -> None:
    refused = opswire.run("assets", "set", "db-01", "environment=sandbox")
    assert (refused.status, "--new-environment" in refused.err) == (2, True)
    changed = done(opswire, "set", "db-01", "environment=sandbox", "--new-environment")
    assert (changed["environment"], changed["caches_settled"]) == ("sandbox", True)


def test_a_wrong_file_format_token_and_no_service_are_told_apart(opswire: CommandLine, hosts: Path) -> None:
    hosts.write_text("<assets/>")
    for arguments in (("diff", str(hosts)), ("import", str(hosts))):
        unknown = opswire.run("assets", *arguments)
        assert (unknown.status, "XML" in unknown.err) == (2, True)
        assert "--format opswire, netbox" in opswire.run("assets", *arguments, "--format", "toml").err
    opswire.environment["OPSWIRE_HTTP_TOKEN"] = "wrong"
    refused = opswire.run("assets", "delete", "db-01")
    assert (refused.status, "refuses the token" in refused.err) == (1, True)
    opswire.environment["OPSWIRE_ASSETS_URL"] = f"http://127.0.0.1:{free_port(frozenset())}"
    assert opswire.run("assets", "list").status == 3
