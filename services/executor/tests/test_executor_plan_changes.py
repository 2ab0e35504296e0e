"""What is planned for requests that change something, and what is asked for where something is lacking."""

from __future__ import annotations

import pytest
from opswire.contracts.plan_made import PlanMade
from opswire.executor.errors import (
    BadArgumentError,
    IncompleteRequestError,
    NoAutomaticPlanError,
    PathRefusedError,
)
from opswire.executor.usecases.plan import make_plan

FILE = [("path", "/etc/app.conf")]


@pytest.fixture
def web(make_asset):
    return make_asset("web-01", attributes={"ssh_user": "opswire", "manager": "systemd"})


@pytest.fixture
def other(make_asset):
    return make_asset("web-02", attributes={"ssh_user": "opswire"})


@pytest.fixture
def shop(make_asset):
    attributes = {
        "manager": "supervisor",
        "unit": "shop",
        "release_link": "/srv/shop/current",
        "previous_release": "1.4.0",
    }
    return make_asset("shop@web-01", "service", aliases=["shop"], parent="web-01", attributes=attributes)


@pytest.fixture
def mailer(make_asset):
    attributes = {"manager": "supervisor", "group": "mailer", "replicas_max": "6"}
    return make_asset("mailer@web-01", "service", aliases=["mailer"], parent="web-01", attributes=attributes)


@pytest.fixture
def orders(make_asset):
    attributes = {"data_path": "/var/lib/orders/orders.sqlite3", "backup_dir": "/var/backups"}
    return make_asset("orders-db@web-01", "database", aliases=["orders-db"], parent="web-01", attributes=attributes)


def outline(plan: PlanMade) -> list[tuple]:
    return [(step.tool, step.asset_id, dict(step.arguments), list(step.after)) for step in plan.steps]


@pytest.mark.parametrize("verb", ["restart", "start", "stop"])
def test_a_service_is_changed_by_its_unit_and_verified(make_context, web, shop, verb: str) -> None:
    plan = make_plan(make_context(f"service.{verb}", assets=[shop, web], hosts=[web]))
    unit = {"unit": "shop", "manager": "supervisor"}
    assert outline(plan) == [(f"service.{verb}", shop.id, unit, [])]
    assert plan.steps[0].verification is not None
    assert plan.steps[0].verification.tool == "service.verify"
    assert (plan.steps[0].reverse is None) == (verb == "restart")


def test_a_unit_of_a_host_is_managed_as_the_host_says_and_none_is_asked_for(make_context, web) -> None:
    plan = make_plan(make_context("service.restart", assets=[web], entities=[("service", "nginx")]))
    assert outline(plan) == [("service.restart", "web_01", {"unit": "nginx", "manager": "systemd"}, [])]
    with pytest.raises(IncompleteRequestError, match="Which unit of web-01"):
        make_plan(make_context("service.restart", assets=[web]))


def test_a_group_is_scaled_within_its_bounds(make_context, web, shop, mailer) -> None:
    plan = make_plan(make_context("service.scale", assets=[mailer], hosts=[web], entities=[("count", "3")]))
    assert outline(plan) == [("service.scale", mailer.id, {"group": "mailer", "replicas": 3}, [])]
    cases = [([("count", "7")], mailer, "room for 6"), ([("count", "many")], mailer, "How many")]
    cases += [([], mailer, "How many"), ([("count", "2"), ("count", "3")], mailer, "2 and 3 are named")]
    cases += [([("count", "3")], web, "Scale what on web-01")]
    for entities, asset, said in cases:
        with pytest.raises(IncompleteRequestError, match=said):
            make_plan(make_context("service.scale", assets=[asset], hosts=[web], entities=entities))
    with pytest.raises(NoAutomaticPlanError, match="no group of shop@web-01"):
        make_plan(make_context("service.scale", assets=[shop], hosts=[web], entities=[("count", "3")]))


def test_a_command_runs_on_each_host_side_by_side(make_context, web, other) -> None:
    entities = [("command", "grep -c 'two words' /etc/motd")]
    plan = make_plan(make_context("command.run", assets=[web, other], entities=entities))
    argv = {"argv": ["grep", "-c", "two words", "/etc/motd"]}
    assert outline(plan) == [("command.run", "web_01", argv, []), ("command.run", "web_02", argv, [])]


@pytest.mark.parametrize(
    "command",
    ["ls; reboot", "a | b", "a && b", "echo $(id)", "echo `id`", "a > /etc/passwd", "cat *", "echo $HOME", "a\nb"],
)
def test_what_only_a_shell_understands_is_refused(make_context, web, command: str) -> None:
    with pytest.raises(IncompleteRequestError, match="needs a shell"):
        make_plan(make_context("command.run", assets=[web], entities=[("command", command)]))


def test_commands_that_hide_what_runs_and_several_at_once_are_refused(make_context, web) -> None:
    for entities, said in (
        ([("command", "echo 'open")], "quotes are not closed"),
        ([("command", "uptime"), ("command", "df -h")], "uptime and df -h are named"),
        ([], "Which command"),
    ):
        with pytest.raises(IncompleteRequestError, match=said):
            make_plan(make_context("command.run", assets=[web], entities=entities))
    with pytest.raises(BadArgumentError):
        make_plan(make_context("command.run", assets=[web], entities=[("command", "bash -c reboot")]))


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('in /etc/app.conf replace "workers=2" with "workers=4"', [("workers=2", "workers=4")]),
        ("change 'a' to \"it's b\" in /etc/app.conf", [("a", "it's b")]),
        ("Replace “a” by `b` in /etc/app.conf and change 'c' to 'd'", [("a", "b"), ("c", "d")]),
    ],
)
def test_texts_of_a_file_are_replaced_in_their_order(make_context, web, text: str, pairs: list) -> None:
    plan = make_plan(make_context("config.update", text, [web], FILE))
    changes = [{"path": "/etc/app.conf", "old": old, "new": new} for old, new in pairs]
    afters = [[number] if number else [] for number in range(len(pairs))]
    assert [(step.arguments, step.after) for step in plan.steps] == list(zip(changes, afters, strict=True))
    assert {(step.verification.tool, step.reverse.tool) for step in plan.steps} == {("file.verify", "file.restore")}


def test_a_change_of_a_file_names_the_file_and_both_texts(make_context, web) -> None:
    two = [*FILE, ("path", "/etc/b.conf")]
    quoted = 'replace "a" with "b"'
    for text, entities, assets, said in (
        ("set workers to 4 in /etc/app.conf", FILE, [web], "Quote both texts"),
        (quoted, [], [web], "Which file"),
        (quoted, two, [web], "are named"),
        (quoted, FILE, [], "On which host"),
    ):
        with pytest.raises(IncompleteRequestError, match=said):
            make_plan(make_context("config.update", text, assets, entities))


def test_a_roll_back_switches_to_the_release_before_and_restarts(make_context, web, shop) -> None:
    plan = make_plan(make_context("release.rollback", "roll back shop", [shop], hosts=[web]))
    assert outline(plan) == [
        ("release.switch", shop.id, {"link": "/srv/shop/current", "release": "1.4.0"}, []),
        ("service.restart", shop.id, {"unit": "shop", "manager": "supervisor"}, [1]),
    ]


def test_a_release_that_is_said_to_be_in_use_makes_the_way_back_known(make_context, web, shop) -> None:
    named = [("version", "1.5.0"), ("version", "1.3.0")]
    plan = make_plan(make_context("release.rollback", "roll back shop from 1.5.0 to 1.3.0", [shop], named, [web]))
    assert plan.steps[0].arguments["release"] == "1.3.0"
    assert plan.steps[0].reverse is not None
    assert plan.steps[0].reverse.arguments["release"] == "1.5.0"
    with pytest.raises(IncompleteRequestError, match="Which release"):
        make_plan(make_context("release.deploy", "deploy 1.5.0 or 1.3.0", [shop], named, [web]))
    with pytest.raises(IncompleteRequestError, match="To which release"):
        make_plan(make_context("release.deploy", "deploy shop", [shop], hosts=[web]))


def test_what_the_inventory_does_not_know_is_for_a_person(make_context, web, mailer) -> None:
    for intent, said in (
        ("release.rollback", "release_link"),
        ("data.backup", "data_path"),
        ("data.restore", "data_path"),
    ):
        with pytest.raises(NoAutomaticPlanError, match=said):
            make_plan(make_context(intent, assets=[mailer], hosts=[web]))


def test_a_backup_is_named_after_its_request_and_a_restore_names_the_copy(make_context, web, orders) -> None:
    plan = make_plan(make_context("data.backup", assets=[orders], hosts=[web]))
    path, copy = "/var/lib/orders/orders.sqlite3", "/var/backups/orders.sqlite3.request-1.backup"
    assert outline(plan) == [("data.backup", orders.id, {"path": path, "copy": copy}, [])]
    named = [("path", path), ("path", copy)]
    plan = make_plan(make_context("data.restore", assets=[orders], hosts=[web], entities=named))
    assert outline(plan) == [("data.restore", orders.id, {"path": path, "copy": copy}, [])]
    for entities in ([], [("path", "/var/backups/a"), ("path", "/var/backups/b")]):
        with pytest.raises(IncompleteRequestError, match="From which copy"):
            make_plan(make_context("data.restore", assets=[orders], hosts=[web], entities=entities))


def test_everything_that_is_named_is_deleted_and_nothing_near_a_root(make_context, web) -> None:
    named = [("path", "/srv/shop/a"), ("path", "/srv/shop/b")]
    plan = make_plan(make_context("data.delete", assets=[web], entities=named))
    assert outline(plan) == [
        ("file.delete", "web_01", {"path": "/srv/shop/a"}, []),
        ("file.delete", "web_01", {"path": "/srv/shop/b"}, [1]),
    ]
    for path in ("/", "/srv", "/srv/shop", "/srv/shop/../..", "/home/../etc/passwd", "/proc/1"):
        with pytest.raises(PathRefusedError):
            make_plan(make_context("data.delete", assets=[web], entities=[("path", path)]))
    with pytest.raises(IncompleteRequestError, match="Delete what"):
        make_plan(make_context("data.delete", assets=[web]))


def test_several_targets_are_changed_one_after_the_other(make_context, make_asset, web, other, shop) -> None:
    second = make_asset("shop@web-02", "service", parent="web-02", attributes=dict(shop.attributes))
    plan = make_plan(make_context("service.restart", assets=[shop, second], hosts=[web, other]))
    assert [(step.asset_id, step.after) for step in plan.steps] == [(shop.id, []), (second.id, [1])]
    with pytest.raises(IncompleteRequestError, match="On what"):
        make_plan(make_context("service.restart"))
