"""`latency`: the stage table, what changed, the targets and the page, from real stores and files of traces."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.testing.postgres_server import running_postgres
from opswire.chassis.testing.waiting import wait_until
from opswire.cli.testing import CommandLine

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from latency_store import HOSTILE, REQUESTS, fill

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "find-a-slow-stage.md"
RECORDED = Path(__file__).parents[2] / "ledger" / "tests" / "data"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    path = tmp_path_factory.mktemp("traces") / "traces.db"
    return path, *fill(path)


@pytest.fixture(scope="module")
def traces(filled: tuple[Path, str, str]) -> Path:
    return filled[0]


@pytest.fixture(scope="module")
def hours(filled: tuple[Path, str, str]) -> tuple[str, str]:
    return filled[1:]


@pytest.fixture(scope="module")
def opswire(tmp_path_factory: pytest.TempPathFactory, traces: Path) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("state"), {"OPSWIRE_TRACE_STORE": str(traces), "TZ": "UTC"})


def test_the_stage_table_of_an_hour(opswire: CommandLine, hours: tuple[str, str]) -> None:
    assert opswire.run("latency", "--json").json["requests"] > 0
    found = opswire.run("latency", "--window", hours[1])
    assert found.status == 0, found.err
    for words in ("untrusted", "do not add up", "bus.wait", "P45-55", "P92.5-97.5", "P98-100", "look at request-"):
        assert words in found.out
    assert found.out.index("untrusted") < found.out.index("stage ")
    as_json = opswire.run("latency", "--window", hours[1], "--json").json
    assert as_json["requests"] == as_json["reference_requests"] == REQUESTS // 2
    assert sum(line["share"] for line in as_json["lines"]) == pytest.approx(1)
    (bus,) = [line for line in as_json["lines"] if line["stage"] == "bus.wait"]
    assert bus["change"]["is_certain"]
    assert bus["change"]["interval"]["low"] < 200e6 < bus["change"]["interval"]["high"]
    assert as_json["reference"]["end_ns"] == as_json["window"]["start_ns"]


def test_what_changed_names_the_stage_that_was_held_up(opswire: CommandLine, hours: tuple[str, str]) -> None:
    found = opswire.run("latency", "diff", hours[1])
    assert found.status == 0, found.err
    assert "first cause: bus.wait +" in found.out
    as_json = opswire.run("latency", "diff", *hours, "--json").json
    assert as_json["causes"][0] == "bus.wait"
    assert as_json["requests_before"] + as_json["requests_after"] == REQUESTS
    parts = sum(part["change_ns"] for part in as_json["parts"])
    assert parts == pytest.approx(as_json["change_ns"], abs=1)


def test_no_cause_is_named_where_nothing_changed(opswire: CommandLine, hours: tuple[str, str]) -> None:
    found = opswire.run("latency", "diff", hours[0], hours[0])
    assert "no cause is named" in found.out
    assert opswire.run("latency", "diff", hours[0], hours[0], "--json").json["causes"] == []


def test_windows_may_be_files(opswire: CommandLine, traces: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.db"
    fill(quiet, added_ms=0)
    as_json = opswire.run("latency", "diff", str(quiet), str(traces), "--json").json
    assert as_json["causes"][0] == "bus.wait"
    assert as_json["requests_before"] == as_json["requests_after"] == REQUESTS
    foreign = opswire.run("latency", "--window", str(RECORDED / "jaeger-ui" / "out1.json"), "--json")
    assert foreign.status == 0, foreign.err
    assert foreign.json["requests"] >= 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("latency", "--window", "noon"), 2, "is no window of time"),
        (("latency", "diff", "none.json", "1h"), 2, "name a file of traces"),
        (("latency", "--window", "2020-01-01"), 4, "no request finished in 2020-01-01"),
        (("latency", "--route", "nothing"), 4, "requests are known"),
        (("latency", "slo", "--targets", "none.toml"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(
    opswire: CommandLine, arguments: tuple[str, ...], status: int, said: str
) -> None:
    found = opswire.run(*arguments)
    assert found.status == status, found.out + found.err
    assert said in found.err
    assert "Traceback" not in found.err
    assert opswire.run(*arguments, "--json").json["error"]["message"]


def test_nothing_traced_yet_is_said(tmp_path: Path) -> None:
    found = CommandLine(tmp_path / "state", {}).run("latency")
    assert found.status == 3
    assert "opswire up" in found.err


def test_rows_may_be_kept_in_a_postgresql_that_several_machines_share(
    opswire: CommandLine, hours: tuple[str, str], tmp_path: Path
) -> None:
    with running_postgres() as server:
        url = server.new_database()
        shared = opswire.environment | {"OPSWIRE_LEDGER_URL": url}
        here = CommandLine(tmp_path / "here", shared)
        assert here.run("latency", "diff", *hours, "--json").json["causes"][0] == "bus.wait"
        # Another machine has no spans, and sees the same.
        elsewhere = CommandLine(tmp_path / "elsewhere", shared | {"OPSWIRE_TRACE_STORE": str(tmp_path / "none.db")})
        found = [one.run("latency", "diff", *hours, "--json").json for one in (here, elsewhere)]
        assert found[0] == found[1]
        assert elsewhere.run("latency", "slo").status == 0
    gone = CommandLine(tmp_path / "gone", shared | {"OPSWIRE_LEDGER_URL": url.replace("postgres@", "postgres:secret@")})
    refused = gone.run("latency")
    assert refused.status == 1
    assert "does not answer" in refused.err
    assert "secret" not in refused.out + refused.err


def test_targets_are_built_in_or_from_a_file(opswire: CommandLine, tmp_path: Path) -> None:
    built_in = opswire.run("latency", "slo")
    assert built_in.status == 0, built_in.err
    assert "answered in time" in built_in.out
    text = opswire.run("latency", "slo", "--defaults").out
    file = tmp_path / "targets.toml"
    file.write_text(text.replace("latency_ms = 5000", "latency_ms = 100"))
    (target,) = opswire.run("latency", "slo", "--targets", str(file), "--json").json["targets"]
    assert target["verdict"] == "page"
    assert target["budget_left"] < 0
    file.write_text("[[targets]]\nlatency = 3\n")
    refused = opswire.run("latency", "slo", "--targets", str(file))
    assert refused.status == 2
    assert "latency" in refused.err


def test_the_exported_page_holds_what_it_shows_and_needs_nothing(
    opswire: CommandLine, tmp_path: Path, hours: tuple[str, str]
) -> None:
    file = tmp_path / "page.html"
    assert opswire.run("latency", "diff", *hours, "--html", str(file)).status == 0
    text = file.read_text()
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert HOSTILE not in text
    assert "connect-src 'none'" in text
    assert text.count("</script>") == 2
    assert "__" not in text.partition("<script type")[0]


def asked(url: str, token: str | None, host: str | None = None) -> tuple[int, Any]:
    headers = ({"Authorization": f"Bearer {token}"} if token else {}) | ({"Host": host} if host else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def served(opswire: CommandLine) -> Iterator[tuple[str, str]]:
    process = opswire.start("latency", "serve")
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    address, _, token = line.partition("/#token=")
    yield address, token
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert "Traceback" not in complaints


def test_the_page_is_served_and_its_answers_need_the_token(served: tuple[str, str], hours: tuple[str, str]) -> None:
    address, token = served
    assert len(token) > 20
    status, page = asked(f"{address}/", None)
    assert (status, "request-0" in page) == (200, False)
    assert asked(f"{address}/api/look", None)[0] == 401
    assert asked(f"{address}/api/look", "wrong")[0] == 401
    assert asked(f"{address}/api/look", token, "evil.example")[0] == 400
    answer: dict[str, Any] = {}

    def is_all_booked() -> bool:
        answer.update(json.loads(asked(f"{address}/api/look?after={hours[1]}", token)[1]))
        return bool(answer["after"]["requests"] >= REQUESTS // 2)

    wait_until(is_all_booked, lambda: str(answer["trouble"]))
    assert answer["difference"]["causes"][0] == "bus.wait"
    key = answer["requests"][0]["request_key"]
    status, request = asked(f"{address}/api/request?key={key}", token)
    assert status == 200
    shown = json.loads(request)
    pieces = [piece for line in shown["lines"] for piece in line["path"]]
    assert sum(piece["end_ns"] - piece["start_ns"] for piece in pieces) == shown["e2e_ns"]
    assert asked(f"{address}/api/request?key=cli/none", token)[0] == 404
    for wrong in ("noon", os.devnull, __file__):
        assert asked(f"{address}/api/look?after={wrong}", token)[0] == 400


def commands_of_the_guide() -> list[list[str]]:
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("    opswire latency")]


@pytest.mark.parametrize("arguments", commands_of_the_guide(), ids=" ".join)
def test_the_guides_commands_run(opswire: CommandLine, traces: Path, tmp_path: Path, arguments: list[str]) -> None:
    if arguments[1:2] in (["serve"], ["page"]):  # the one never ends, the other asks a system that runs
        return_code = opswire.run(*arguments[:2], "--help").status
        assert return_code == 0
        return
    # Its files and clock times are of somebody's day; what is tried is that each form is understood.
    named = {"before.json": str(traces), "after.json": str(traces)}
    given = [named.get(word, str(tmp_path / word) if word.endswith(".html") else word) for word in arguments]
    found = opswire.run(*given, *(() if "--defaults" in given else ("--json",)))
    assert found.status in (0, 4), found.err
    assert found.status == 0 or found.json["error"]["code"] == "not_found"
