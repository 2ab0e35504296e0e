"""What the catalogue changes, done to the lab for real and seen by pid, content or query, through its own probes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml
from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import Step
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import (
    BackupMissingError,
    BadArgumentError,
    CommandFailedError,
    FileRefusedError,
    StateChangedError,
    UnitNotChangedError,
)
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.tools import Judgement, ToolCall, ToolResult, Verdict
from opswire.lab import Lab, start

SUPERVISOR = "supervisor"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = start(tmp_path_factory.mktemp("lab"))
    yield running
    running.down()


@pytest.fixture(scope="module")
def inventory(lab: Lab) -> dict[str, Asset]:
    found = yaml.safe_load(lab.inventory_path.read_text())["assets"]
    return {entry["name"]: Asset.model_validate({"id": entry["name"].replace("@", "_at_"), **entry}) for entry in found}


@dataclass
class Hand:
    """Runs one step as the executor does: arguments checked, tool run, probe run, reverse known."""

    drivers: Drivers
    inventory: dict[str, Asset]
    make_context: Callable
    number: int = 0

    async def do(self, tool: str, asset: str, **arguments: Value) -> Done:
        catalogue = packaged_catalogue()
        catalogue.check(tool, arguments)
        self.number += 1
        call = self._call(tool, asset, arguments, self.number)
        result = await self.drivers.tools[tool](call)
        found = Done(result, None, None)
        probe = catalogue.verification_of(tool, arguments, "request-1", self.number)
        if probe is not None:
            probing = self._call(probe.tool, asset, probe.arguments, self.number, verifies=result)
            found.verdict = (await self.drivers.tools[probe.tool](probing)).verdict
        back = catalogue.reverse_of(tool, arguments, "request-1", self.number)
        if back is not None:
            found.reverse = lambda: self.do(back.tool, asset, **back.arguments)
        return found

    def _call(
        self, tool: str, asset: str, arguments: dict[str, Value], number: int, verifies: ToolResult | None = None
    ) -> ToolCall:
        entry, spoken_of = packaged_catalogue().entry(tool), self.inventory[asset]
        step = Step(
            number=number,
            tool=tool,
            effect=entry.effect,
            arguments=arguments,
            timeout_ms=entry.timeout_ms,
            risk=entry.risk,
        )
        host = self.inventory[spoken_of.parent] if spoken_of.parent else spoken_of
        return ToolCall(step, self.make_context("status.check"), spoken_of, host, verifies=verifies)


@dataclass
class Done:
    """What became of a step. `reverse` undoes it."""

    result: ToolResult
    verdict: Verdict | None
    reverse: Callable[[], Awaitable[Done]] | None

    @property
    def row(self) -> dict[str, object]:
        return dict(self.result.records[0])


@pytest.fixture
async def hand(lab: Lab, inventory: dict[str, Asset], make_context) -> AsyncIterator[Hand]:
    async with Drivers(DriverSettings(lab.folder.parent, allow_loopback=True)) as drivers:
        yield Hand(drivers, inventory, make_context)


def is_passed(done: Done) -> bool:
    return done.verdict is not None and done.verdict.status is Judgement.PASS


def pid_of(lab: Lab, host: str, service: str) -> int | None:
    found = next(status for status in lab.status().hosts if status.name == host)
    return next(status.pid for status in found.services if status.name == service)


async def page(inventory: dict[str, Asset], asset: str) -> dict:
    """The first page of a service, asked for without any code of ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(inventory[asset].attributes["port"]))
    writer.write(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
    _, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    return json.loads(body)


async def orders(inventory: dict[str, Asset], line: str = "COUNT") -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(inventory["orders-db@db-01"].attributes["port"]))
    writer.write(f"{line}\n".encode())
    writer.write_eof()
    answer = (await asyncio.wait_for(reader.read(), 10)).decode().splitlines()
    writer.close()
    return answer


async def test_a_restart_is_another_process_that_answers(hand: Hand, lab: Lab) -> None:
    before = pid_of(lab, "web-01", "checkout")
    done = await hand.do("service.restart", "checkout@web-01", unit="checkout", manager=SUPERVISOR)
    after = pid_of(lab, "web-01", "checkout")
    assert (done.row["pid_before"], done.row["pid"]) == (before, after)
    assert before != after
    assert is_passed(done)
    assert f"pid {after}, before {before}, port" in done.verdict.detail
    assert "healthy (HTTP 200)" in done.verdict.detail
    assert done.reverse is None


async def test_stop_start_and_the_way_back(hand: Hand, lab: Lab) -> None:
    stopped = await hand.do("service.stop", "checkout@web-02", unit="checkout", manager=SUPERVISOR)
    assert is_passed(stopped)
    assert pid_of(lab, "web-02", "checkout") is None
    again = await hand.do("service.stop", "checkout@web-02", unit="checkout", manager=SUPERVISOR)
    assert again.row["detail"] == "it was stopped already"
    started = await stopped.reverse()
    assert is_passed(started)
    os.kill(pid_of(lab, "web-02", "checkout") or 0, 0)


async def test_a_restart_that_did_nothing_or_that_nobody_can_tell_of_is_not_passed(hand: Hand, lab: Lab) -> None:
    pid = pid_of(lab, "web-01", "storefront")
    verify = {"unit": "storefront", "manager": SUPERVISOR, "expected": "restarted"}
    same = ToolResult(({"pid_before": pid},))
    call = hand._call("service.verify", "storefront@web-01", verify, 1, verifies=same)
    short = ToolCall(call.step.model_copy(update={"timeout_ms": 400}), call.context, call.asset, call.host, None, same)
    assert (await hand.drivers.tools["service.verify"](short)).verdict.status is Judgement.FAIL
    lost = hand._call("service.verify", "storefront@web-01", verify, 1)
    found = (await hand.drivers.tools["service.verify"](lost)).verdict
    assert found.status is Judgement.UNKNOWN
    assert f"pid {pid}" in found.detail


async def test_what_no_manager_knows_is_not_restarted(hand: Hand) -> None:
    with pytest.raises(BadArgumentError, match="knows no unit nginx"):
        await hand.do("service.restart", "web-01", unit="nginx", manager=SUPERVISOR)
    with pytest.raises(BadArgumentError, match="is a group"):
        await hand.do("service.restart", "web-01", unit="mailer", manager=SUPERVISOR)
    with pytest.raises(BadArgumentError, match="not the name of a unit"):
        await hand.do("service.restart", "web-01", unit="all", manager=SUPERVISOR)


async def test_a_unit_that_does_not_come_up_is_said(hand: Hand, lab: Lab) -> None:
    conf = lab.paths("web-02").root / "etc" / "checkout.conf"
    text = conf.read_text()
    conf.write_text("no configuration")
    try:
        with pytest.raises(UnitNotChangedError, match="checkout on web-02 is"):
            await hand.do("service.restart", "checkout@web-02", unit="checkout", manager=SUPERVISOR)
    finally:
        conf.write_text(text)
    assert is_passed(await hand.do("service.start", "checkout@web-02", unit="checkout", manager=SUPERVISOR))


async def test_a_group_is_scaled_without_touching_those_that_go_on(hand: Hand) -> None:
    up = await hand.do("service.scale", "mailer@web-01", group="mailer", replicas=4, replicas_before=2)
    assert is_passed(up)
    assert (up.row["replicas_before"], up.row["changed"]) == (2, "mailer:mailer-03, mailer:mailer-04")
    pids = [int(pid) for pid in str(up.row["pids"]).split(", ")]
    assert len(set(pids)) == 4
    for pid in pids:
        os.kill(pid, 0)
    down = await up.reverse()
    assert is_passed(down)
    assert str(down.row["pids"]).split(", ") == [str(pid) for pid in pids[:2]]
    for wanted, error in (
        (7, BadArgumentError),
        (0, BadArgumentError),
        (-1, BadArgumentError),
        (10**9, BadArgumentError),
    ):
        with pytest.raises(error):
            await hand.do("service.scale", "mailer@web-01", group="mailer", replicas=wanted)
    with pytest.raises(StateChangedError, match="2 processes of mailer run"):
        await hand.do("service.scale", "mailer@web-01", group="mailer", replicas=5, replicas_before=3)


async def test_a_command_runs_on_several_hosts_and_says_how_it_ended(hand: Hand) -> None:
    found = await asyncio.gather(*(hand.do("command.run", host, argv=["hostname"]) for host in ("web-01", "web-02")))
    assert [done.row["line"] for done in found] == ["web-01", "web-02"]
    assert found[0].result.note == "hostname on web-01 ended with 0."
    with pytest.raises(CommandFailedError, match="ended with 2"):
        await hand.do("command.run", "web-01", argv=["ls", "/nothing"])
    with pytest.raises(CommandFailedError, match="has no nothing-like-it"):
        await hand.do("command.run", "web-01", argv=["nothing-like-it"])


async def test_a_setting_is_changed_seen_by_its_service_and_taken_back(hand: Hand, lab: Lab, inventory) -> None:
    path, before = "/etc/checkout.conf", (lab.paths("web-01").root / "etc" / "checkout.conf").read_text()
    changed = await hand.do(
        "file.replace_text", "checkout@web-01", path=path, old="page_size = 20", new="page_size = 3"
    )
    assert is_passed(changed)
    await hand.do("service.restart", "checkout@web-01", unit="checkout", manager=SUPERVISOR)
    assert (await page(inventory, "checkout@web-01"))["page_size"] == 3
    back = await changed.reverse()
    assert is_passed(back)
    assert (lab.paths("web-01").root / "etc" / "checkout.conf").read_text() == before
    for old, times in (("page_size = 3", "0 times"), ("=", r"\d+ times")):
        with pytest.raises(StateChangedError, match=times):
            await hand.do("file.replace_text", "web-01", path=path, old=old, new="x")


async def test_a_file_is_written_whole_and_a_new_one_taken_back(hand: Hand, lab: Lab) -> None:
    root = lab.paths("web-01").root
    (root / "etc" / "motd").chmod(0o640)
    before = (root / "etc" / "motd").read_text()
    done = await hand.do("file.write", "web-01", path="/etc/motd", content="-- „hällo“ $(reboot)\n")
    assert is_passed(done)
    assert (root / "etc" / "motd").read_text() == "-- „hällo“ $(reboot)\n"
    assert (root / "etc" / "motd").stat().st_mode & 0o777 == 0o640
    assert done.row["sha256"] == hashlib.sha256((root / "etc" / "motd").read_bytes()).hexdigest()
    assert is_passed(await done.reverse())
    assert (root / "etc" / "motd").read_text() == before
    new = await hand.do("file.write", "web-01", path="/srv/note.txt", content="new")
    assert (root / "srv" / "note.txt").read_text() == "new"
    assert is_passed(await new.reverse())
    assert not (root / "srv" / "note.txt").exists()
    assert not list(root.rglob("*.new"))
    with pytest.raises(BackupMissingError):
        await hand.do("file.restore", "web-01", path="/etc/motd", backup="other-9")
    assert (root / "etc" / "motd").read_text() == before


async def test_a_step_that_was_begun_once_is_not_begun_again(hand: Hand, lab: Lab) -> None:
    await hand.do("file.write", "web-02", path="/etc/motd", content="once")
    hand.number -= 1
    with pytest.raises(StateChangedError, match="begun once already"):
        await hand.do("file.write", "web-02", path="/etc/motd", content="twice")
    assert (lab.paths("web-02").root / "etc" / "motd").read_text() == "once"


async def test_links_and_special_files_are_not_written(hand: Hand, lab: Lab) -> None:
    root = lab.paths("web-01").root
    (root / "srv" / "link").symlink_to("../etc/motd")
    (root / "srv" / "folder-link").symlink_to("../usr/local/bin")
    os.mkfifo(root / "srv" / "pipe")
    for path in ("/srv/link", "/srv/pipe", "/srv/folder-link/hostname", "/etc"):
        with pytest.raises(FileRefusedError if path != "/etc" else Exception):
            await hand.do("file.write", "web-01", path=path, content="x")
    assert (root / "srv" / "link").is_symlink()
    assert "echo web-01" in (root / "usr" / "local" / "bin" / "hostname").read_text()


async def test_a_release_is_rolled_back_and_its_service_says_so(hand: Hand, inventory) -> None:
    assert (await page(inventory, "storefront@web-01"))["release"] == "1.5.0"
    link = inventory["storefront@web-01"].attributes["release_link"]
    done = await hand.do("release.switch", "storefront@web-01", link=link, release="1.4.0", release_before="1.5.0")
    assert is_passed(done)
    await hand.do("service.restart", "storefront@web-01", unit="storefront", manager=SUPERVISOR)
    assert (await page(inventory, "storefront@web-01"))["release"] == "1.4.0"
    assert is_passed(await done.reverse())
    with pytest.raises(BadArgumentError, match="there is no release '9"):
        await hand.do("release.switch", "storefront@web-01", link=link, release="9.9.9")
    with pytest.raises(StateChangedError):
        await hand.do("release.switch", "storefront@web-01", link=link, release="1.3.0", release_before="1.4.0")


async def test_a_database_is_backed_up_and_restored(hand: Hand, inventory) -> None:
    path, copy = inventory["orders-db@db-01"].attributes["data_path"], "/var/backups/orders-1.sqlite3"
    (count,) = (await orders(inventory))[1:]
    saved = await hand.do("data.backup", "orders-db@db-01", path=path, copy=copy)
    assert is_passed(saved)
    assert "SQLite says ok" in saved.verdict.detail
    assert (await orders(inventory, 'ADD {"id": 9, "item": "mistake"}'))[0] == "OK 0"
    assert (await orders(inventory))[1:] == [str(int(count) + 1)]
    restored = await hand.do("data.restore", "orders-db@db-01", path=path, copy=copy)
    assert is_passed(restored)
    assert (await orders(inventory))[1:] == [count]
    assert is_passed(await restored.reverse())
    assert (await orders(inventory))[1:] == [str(int(count) + 1)]
    with pytest.raises(StateChangedError, match="exists on db-01"):
        await hand.do("data.backup", "orders-db@db-01", path=path, copy=copy)
    with pytest.raises(BackupMissingError):
        await hand.do("data.restore", "orders-db@db-01", path=path, copy="/var/backups/none.sqlite3")


async def test_deleting_removes_everything_below_and_follows_no_link(hand: Hand, lab: Lab) -> None:
    root = lab.paths("web-01").root
    folder = root / "srv" / "storefront" / "releases" / "1.3.0"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "file").write_text("x")
    (folder / "deep" / "away").symlink_to(root / "etc")
    done = await hand.do("file.delete", "storefront@web-01", path="/srv/storefront/releases/1.3.0")
    assert is_passed(done)
    assert not folder.exists()
    assert (root / "etc" / "motd").exists()
    assert done.row["detail"] == "removed, 6 in all"
    with pytest.raises(StateChangedError):
        await hand.do("file.delete", "storefront@web-01", path="/srv/storefront/releases/1.3.0")
