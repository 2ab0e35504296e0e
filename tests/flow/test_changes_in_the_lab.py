"""From a sentence to a changed host, through four real services and signed approvals, seen by pid, content or query."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from change_lab import STRANGER, ChangeLab, is_alive, running
from opswire.chassis.testing.upstream import Upstream
from opswire.chassis.testing.waiting import wait_until

COMPLETED = ("completed", None)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangeLab]:
    """One system and one lab for all of it."""
    with running(tmp_path_factory.mktemp("changes")) as found:
        yield found


@pytest_asyncio.fixture
async def chat(scene: ChangeLab) -> AsyncIterator[Upstream]:
    """The upstream that Dana asks at."""
    async with Upstream(scene.system.nats.url, "chat") as upstream:
        yield upstream


def orders_in(path: Path) -> int:
    """How many orders a database file holds."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])


async def test_a_restart_is_another_process(scene: ChangeLab, chat: Upstream) -> None:
    before = scene.pids("web-02")
    done = await scene.done(chat, "restart checkout on web-02")
    after = scene.pids("web-02")
    assert done.status == COMPLETED
    assert before["checkout"] != after["checkout"]
    assert (is_alive(before["checkout"]), is_alive(after["checkout"])) == (False, True)
    assert before["storefront"] == after["storefront"]
    assert (done.rows[0]["pid"], done.rows[0]["verified"]) == (after["checkout"], "pass")
    assert "Approved by sam" in done.outcome["answer"]["summary"]


async def test_what_is_stopped_ends_and_what_is_started_answers(scene: ChangeLab, chat: Upstream) -> None:
    before = scene.pids("web-02")["checkout"]
    assert (await scene.done(chat, "stop checkout on web-02")).status == COMPLETED
    assert not is_alive(before)
    assert "checkout" not in scene.pids("web-02")
    assert (await scene.done(chat, "start checkout on web-02")).status == COMPLETED
    assert scene.pids("web-02")["checkout"] != before
    assert scene.page("web-02", "checkout")["service"] == "checkout"


async def test_a_command_runs_on_each_host_that_is_named(scene: ChangeLab, chat: Upstream) -> None:
    done = await scene.done(chat, 'run "cp /etc/hostname /srv/copied" on web-01 and web-02')
    assert done.status == COMPLETED
    assert [(row["asset"], row["outcome"]) for row in done.rows] == [("web-01", "succeeded"), ("web-02", "succeeded")]
    assert scene.path("web-01", "/srv/copied").read_text() == "web-01\n"
    assert scene.path("web-02", "/srv/copied").read_text() == "web-02\n"
    shown = await scene.done(chat, 'run "cat /srv/copied" on web-01 and web-02')
    assert [row["line"] for row in shown.rows] == ["web-01", "web-02"]


async def test_a_file_is_changed_where_it_was_said_and_a_copy_is_kept(scene: ChangeLab, chat: Upstream) -> None:
    path = scene.path("web-02", "/etc/checkout.conf")
    before = path.read_text()
    text = 'in /etc/checkout.conf on web-02 replace "page_size = 20" with "page_size = 4"'
    done = await scene.done(chat, text)
    assert done.status == COMPLETED
    assert path.read_text() == before.replace("page_size = 20", "page_size = 4") != before
    kept = [each.read_text() for each in path.parent.iterdir() if done.request_id in each.name]
    assert kept == [before]
    again = await scene.done(chat, text)
    assert again.status[0] == "failed"
    assert "page_size = 4" in path.read_text()


async def test_a_roll_back_runs_the_release_before(scene: ChangeLab, chat: Upstream) -> None:
    assert scene.page("web-02", "storefront")["release"] == "1.5.0"
    done = await scene.done(chat, "roll back storefront on web-02")
    assert done.status == COMPLETED
    assert [(row["tool"], row["verified"]) for row in done.rows] == [
        ("release.switch", "pass"),
        ("service.restart", "pass"),
    ]
    assert scene.path("web-02", "/srv/storefront/current").readlink() == Path("releases/1.4.0")
    assert scene.page("web-02", "storefront")["release"] == "1.4.0"
    assert (await scene.done(chat, "deploy storefront 1.5.0 to web-02")).status == COMPLETED
    assert scene.page("web-02", "storefront")["release"] == "1.5.0"


async def test_a_group_is_scaled_and_those_that_run_go_on(scene: ChangeLab, chat: Upstream) -> None:
    before = {pid for name, pid in scene.pids("web-01").items() if name.startswith("mailer")}
    assert len(before) == 2
    assert (await scene.done(chat, "scale mailer on web-01 to 3")).status == COMPLETED
    after = {pid for name, pid in scene.pids("web-01").items() if name.startswith("mailer")}
    assert len(after) == 3
    assert before < after
    assert all(is_alive(pid) for pid in after)


async def test_a_database_is_put_back_as_it_was_when_it_was_copied(scene: ChangeLab, chat: Upstream) -> None:
    path = scene.path("db-01", "/var/lib/orders-db/orders.sqlite3")
    count = orders_in(path)
    saved = await scene.done(chat, "back up orders-db")
    assert saved.status == COMPLETED
    copy = saved.rows[0]["path"]
    assert copy == f"/var/backups/orders.sqlite3.{saved.request_id}.backup"
    assert orders_in(scene.path("db-01", copy)) == count
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM orders")
    assert orders_in(path) == 0
    assert (await scene.done(chat, f"restore orders-db from {copy}")).status == COMPLETED
    assert orders_in(path) == count


async def test_deleting_takes_two_people_and_neither_the_requester_nor_a_stranger(
    scene: ChangeLab, chat: Upstream
) -> None:
    folder = scene.path("web-02", "/srv/storefront/releases/1.3.0")
    assert folder.is_dir()
    asked = await scene.asked(chat, "delete /srv/storefront/releases/1.3.0 on web-02")
    assert asked.request.people_needed == 2
    await scene.say(asked, "dana", STRANGER, "sam")
    assert (await scene.done(chat, "restart storefront on web-02")).status == COMPLETED  # others go on meanwhile
    assert folder.is_dir()
    await scene.say(asked, "kim")
    done = await scene.end(chat, asked)
    assert done.status == COMPLETED
    assert not folder.exists()
    assert scene.path("web-02", "/srv/storefront/releases/1.4.0").is_dir()
    stored = await chat.stored(f"opswire.v1.chat.{done.request_id}.approval.1.decided")
    assert sorted(json.loads(stored[0])["people"]) == ["kim", "sam"]


async def test_one_no_outweighs_a_yes(scene: ChangeLab, chat: Upstream) -> None:
    folder = scene.path("web-02", "/srv/storefront/releases/1.4.0")
    asked = await scene.asked(chat, "delete /srv/storefront/releases/1.4.0 on web-02")
    await scene.say(asked, "sam")
    await scene.say(asked, "kim", decision="deny")
    assert (await scene.end(chat, asked)).status == ("rejected", "approval_denied")
    assert folder.is_dir()


async def test_the_command_line_shows_approves_and_cancels(scene: ChangeLab, chat: Upstream) -> None:
    before = scene.pids("web-02")
    wanted, unwanted = [await scene.asked(chat, f"restart {name} on web-02") for name in ("checkout", "storefront")]
    shown = scene.commands.run("approvals", "show", wanted.key)
    assert shown.status == 0, shown.err
    assert "service.restart" in shown.out
    said = ["--key", str(scene.seed_file("sam")), "--yes", "--digest", wanted.digest]
    approved = scene.commands.run("approvals", "approve", wanted.key, *said)
    assert approved.status == 0, approved.err
    cancelled = scene.commands.run("cancel", unwanted.key)
    assert cancelled.status == 0, cancelled.err
    assert (await scene.end(chat, wanted)).status == COMPLETED
    assert (await scene.end(chat, unwanted)).status == ("cancelled", "cancelled")
    after = scene.pids("web-02")
    assert before["checkout"] != after["checkout"]
    assert before["storefront"] == after["storefront"]


async def test_a_stop_holds_for_what_was_approved_until_somebody_signs(scene: ChangeLab, chat: Upstream) -> None:
    asked = await scene.asked(chat, "restart checkout on web-02")
    before = scene.pids("web-02")
    stopped = scene.commands.run("mode", "stop", "--reason", "the storage is failing")
    assert stopped.status == 0, stopped.err
    wait_until(lambda: scene.mode() == "stopped", scene.mode)
    await scene.say(asked, "sam")
    done = await scene.end(chat, asked)
    assert done.status[0] == "rejected"
    assert "the storage is failing" in done.outcome["answer"]["summary"]
    assert scene.pids("web-02") == before
    normal = scene.commands.run("mode", "normal", "--key", str(scene.seed_file("kim")))
    assert normal.status == 0, normal.err
    wait_until(lambda: scene.mode() == "normal", scene.mode)
    assert (await scene.done(chat, "restart checkout on web-02")).status == COMPLETED


async def test_every_change_is_in_the_audit_trail_which_verifies(scene: ChangeLab, chat: Upstream) -> None:
    done = await scene.done(chat, "restart storefront on web-02")
    ours = f"opswire.v1.chat.{done.request_id}."

    def told() -> set[str]:
        listed = scene.commands.run("audit", "list", "--json")
        assert listed.status == 0, listed.err
        subjects = [entry["subject"] for entry in listed.json["entries"]]
        return {subject.removeprefix(ours).split(".U")[0] for subject in subjects if subject.startswith(ours)}

    wait_until(lambda: "finished" in told(), lambda: str(told()))
    whole = {
        "plan",
        "approval.1.requested",
        "approval.1.given",
        "approval.1.decided",
        "step.1.claimed",
        "step.1.outcome",
    }
    assert told() >= whole
    verified = scene.commands.run("audit", "verify")
    assert verified.status == 0, verified.err
