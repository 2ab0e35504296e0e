"""`opswire up` with the real servers and services: ready, repaired after crashes, gone after `down` and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.testing.waiting import wait_until
from opswire.cli.processes import is_same, started_at, wait_gone
from opswire.cli.state import RunRecord, StateDir
from opswire.cli.testing import CommandLine

WAIT_S = 60
CHILDREN = {"nats", "valkey", "intent", "assets", "executor", "cache", "ledger"}


def record_of(opswire: CommandLine) -> RunRecord:
    """What runs."""
    record = StateDir(opswire.state_dir).read_run()
    assert record is not None
    return record


def processes_of(record: RunRecord) -> list[tuple[int, str | None]]:
    """The supervisor and its children, so that a later process with the same id is not mistaken for one."""
    return [(record.pid, record.started), *((child.pid, child.started) for child in record.children)]


def events_of(opswire: CommandLine) -> list[dict[str, Any]]:
    """What the supervisor wrote down."""
    lines = StateDir(opswire.state_dir).events_file.read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A system started behind, as a user starts it."""
    opswire = CommandLine(tmp_path_factory.mktemp("up") / "state", {})
    started = opswire.run("up", "--detach", "--json", timeout_s=120)
    try:
        assert started.status == 0, started.err + started.out
        assert started.json["already_running"] is False
        yield opswire
    finally:
        opswire.run("down", timeout_s=WAIT_S)


def test_status_and_doctor_find_everything_well(up: CommandLine) -> None:
    status = up.run("status", "--json").json
    assert status["phase"] == "ready"
    assert {child["name"] for child in status["children"] if child["ready"]} == CHILDREN
    assert all(child["memory_mb"] > 0 and child["restarts"] == 0 for child in status["children"])
    doctor = up.run("doctor", "--json")
    assert doctor.status == 0, doctor.out
    verdicts = {finding["check"]: finding["verdict"] for finding in doctor.json["findings"]}
    assert verdicts["streams"] == verdicts["durability"] == verdicts["classifier"] == "ok"


def test_a_second_up_says_so(up: CommandLine) -> None:
    before = record_of(up).pid
    for arguments in (("up", "--detach", "--json"), ("up", "--json")):
        second = up.run(*arguments)
        assert second.status == 0, second.err
        assert second.json["already_running"] is True
        assert second.json["pid"] == before
    assert "runs already" in up.run("up").out


@pytest.mark.parametrize("option", [["--secured"], ["--nats-port", "1"], ["--http-port", "1"]])
def test_a_second_up_that_wants_it_otherwise_is_refused(up: CommandLine, option: list[str]) -> None:
    for detach in ([], ["--detach"]):
        second = up.run("up", *option, *detach)
        assert second.status == 1
        assert f"not as {option[0]} would have it" in second.err
        assert "opswire down" in second.err


def test_a_request_gets_its_one_outcome_and_its_account(up: CommandLine, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[production]\nshop-01 ansible_host=192.0.2.7\nshop-02 ansible_host=192.0.2.8\n")
    imported = up.run("assets", "import", str(inventory), "--json")
    assert imported.status == 0, imported.err
    assert imported.json["created"] >= 2
    assert imported.json["caches_settled"] is True

    asked = up.run("ask", "what is the address of shop-01", "--as", "dana", "--json")
    assert asked.status in (0, 5), asked.err
    request_id = asked.json["request_id"]
    shown = up.run("show", request_id, "--json")
    facts = [fact["fact"] for fact in shown.json["facts"]]
    assert (facts[0], facts[-1]) == ("submitted", "finished")
    trace = up.run("trace", request_id, "--json")
    assert trace.status == 0, trace.err
    again = up.run("ask", "what is the address of shop-01", "--as", "dana", "--json", "--id", request_id)
    assert again.json["answer"] == asked.json["answer"]
    assert again.json["repeated"] is True


def test_the_ledger_books_by_itself_and_serves_its_page(up: CommandLine) -> None:
    """No `opswire latency` is run: spans last a day, so nothing may depend on somebody asking."""
    request_id = up.run("ask", "what can you do?", "--json").json["request_id"]
    rows = up.state_dir / "ledger.sqlite3"

    def booked() -> list[tuple[int]]:
        with closing(sqlite3.connect(rows)) as connection:
            query = "SELECT e2e_ns FROM request WHERE request_key LIKE ?"
            return connection.execute(query, (f"%/{request_id}",)).fetchall()

    wait_until(lambda: len(booked()) == 1, lambda: str(booked()), WAIT_S)
    address, _, fragment = up.run("latency", "page", "--json").json["url"].partition("#")
    assert fragment.startswith("token=")
    with urllib.request.urlopen(address, timeout=10) as reply:
        assert b"<html" in reply.read()
    with urllib.request.urlopen(f"{address}metrics", timeout=10) as reply:
        assert b"opswire_ledger_stage_seconds_total" in reply.read()


def test_a_change_is_seen_by_the_next_read(up: CommandLine) -> None:
    for number in range(3):
        changed = up.run("assets", "set", "shop-01", f"owner=team-{number}", "--json")
        assert changed.status == 0, changed.err
        assert changed.json["caches_settled"] is True
        asked = up.run("ask", "who owns shop-01", "--json")
        assert f"team-{number}" in json.dumps(asked.json["answer"])
    wrong = up.run("assets", "set", "shop-99", "owner=nobody", "--json")
    assert wrong.status == 4
    assert wrong.json["error"]["code"] == "not_found"


def test_crashed_children_come_back_on_their_ports_and_a_request_is_answered(up: CommandLine) -> None:
    before = {child.name: child for child in record_of(up).children}
    for name in ("intent", "valkey", "nats"):
        os.kill(before[name].pid, signal.SIGKILL)

    def are_back() -> bool:
        restarted = {event["child"] for event in events_of(up) if event["event"] == "restarted"}
        return restarted >= {"intent", "valkey", "nats"}

    wait_until(are_back, lambda: str(events_of(up)), WAIT_S)
    after = {child.name: child for child in record_of(up).children}
    for name in ("intent", "valkey", "nats"):
        assert after[name].restarts == 1
        assert after[name].pid != before[name].pid
        assert after[name].ports == before[name].ports
    asked = up.run("ask", "what is the address of shop-01", "--json", "--deadline", "20s")
    assert asked.status == 0, asked.out + asked.err
    findings = up.run("doctor", "--json").json["findings"]
    assert [finding for finding in findings if finding["verdict"] == "wrong"] == []


def test_a_mode_that_executors_have_not_taken_is_told_as_what_it_is(up: CommandLine) -> None:
    def in_force() -> str:
        return str(up.run("mode", "show", "--json").json["in_force"])

    known = up.run("keys", "new", "kim", "--json").json
    stranger = up.run("keys", "new", "stranger", "--json").json
    (up.state_dir / "people.yaml").write_text("people:\n" + known["people_entry"])
    assert up.run("mode", "stop", "--reason", "a drill").status == 0
    wait_until(lambda: in_force() == "stopped", in_force)
    assert "executors may not take it" in up.run("mode", "normal", "--key", stranger["seed_file"]).err
    shown = up.run("mode", "show")
    assert shown.out.startswith("normal since ")
    assert "but executors are stopped: they have not taken it" in shown.out
    doctor = " ".join(up.run("doctor").out.split())
    assert "mode stopped, no tool is run: a drill" in doctor
    assert up.run("mode", "read-only").status == 2, "milder than what is in force, so it needs a signature"
    assert up.run("mode", "normal", "--key", known["seed_file"]).status == 0
    wait_until(lambda: in_force() == "normal", in_force)
    assert "have not taken" not in up.run("mode", "show").out


def test_down_leaves_nothing(up: CommandLine) -> None:
    known = processes_of(record_of(up))
    ended = up.run("down", "--json")
    assert ended.status == 0, ended.err
    assert set(ended.json["ended"]) > CHILDREN
    assert not any(is_same(*one) for one in known)
    assert up.run("down", "--json").json == {"was_running": False, "ended": []}
    status = up.run("status", "--json")
    assert (status.status, status.json["error"]["code"]) == (3, "not_running")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_supervisor_ends_all(up: CommandLine, number: signal.Signals) -> None:
    """After `down` above: in the foreground, on the same state and ports. SIGKILL needs Linux' parent death signal."""
    if number is signal.SIGKILL and not Path("/proc/self").exists():
        pytest.skip("only Linux ends children with their parent")
    process = up.start("up", "--json")
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line, process.communicate()
            text += line
        known = processes_of(record_of(up))
        assert len(known) == 1 + len(CHILDREN)
        process.send_signal(number)
        status = process.wait(WAIT_S)
    finally:
        end(process)
    assert status == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    assert all(wait_gone(*one, WAIT_S) for one in known)


def end(process: subprocess.Popen[str]) -> None:
    """End it however it is."""
    process.kill()
    process.communicate()


def test_the_labs_inventory_does_not_overwrite_edits_at_the_next_start(up: CommandLine) -> None:
    """On the same state, with the lab. Only a changed file is imported again."""

    def start() -> None:
        started = up.run("up", "--detach", "--lab", "--json", timeout_s=120)
        assert started.status == 0, started.err + started.out

    state = StateDir(up.state_dir)
    up.run("down", timeout_s=WAIT_S)
    try:
        start()
        assert up.run("assets", "show", "web-02", "--json").json["owner"] != "people"
        imported = state.lab_imported()
        edited = up.run("assets", "set", "web-02", "owner=people", "--json")
        assert edited.status == 0, edited.err
        up.run("down", timeout_s=WAIT_S)
        start()
        assert up.run("assets", "show", "web-02", "--json").json["owner"] == "people"
        assert state.lab_imported() == imported
        up.run("down", timeout_s=WAIT_S)
        state.write_lab_imported("of another file")
        start()
        assert up.run("assets", "show", "web-02", "--json").json["owner"] != "people"
        assert state.lab_imported() == imported
    finally:
        up.run("down", timeout_s=WAIT_S)


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    opswire = CommandLine(tmp_path / "state", {"OPSWIRE_DRAIN_TIMEOUT_S": "no number"})
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "classifier").write_text("present, so that nothing is trained")
    result = opswire.run("up", timeout_s=WAIT_S)
    assert result.status == 1
    assert "ended with status 78" in result.err
    assert "drain_timeout_s" in result.err
    assert StateDir(tmp_path / "state").read_run() is None
    assert started_at(os.getpid()) is not None
