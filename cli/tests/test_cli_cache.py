"""`cache`: every command against a real cache service on a real broker, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from opswire.chassis.embedded.ports import free_port
from opswire.cli.testing import CommandLine
from opswire.cli.views.caches import print_canary, print_invalidation, print_keys, print_statistics, print_warming
from rich.console import Console

TOKEN = "token-of-a-test"


@pytest.fixture(scope="module")
def service(start_service: Callable[..., str]) -> str:
    """A cache service of its own process, without an inventory."""
    return start_service("cache")


@pytest.fixture
def opswire(tmp_path: Path, service: str) -> CommandLine:
    return CommandLine(tmp_path / "state", {"OPSWIRE_CACHE_URL": service, "OPSWIRE_HTTP_TOKEN": TOKEN})


def test_statistics_are_those_of_the_service(opswire: CommandLine) -> None:
    found = opswire.run("cache", "stats", "--json")
    assert found.status == 0, found.err
    assert set(found.json) == {"at_ns", "caches", "holders", "canary", "warm"}
    assert opswire.run("cache", "stats").status == 0


def test_keys_are_asked_of_the_processes(opswire: CommandLine) -> None:
    found = opswire.run("cache", "keys", "--tag", "name:web-01", "--limit", "3", "--json")
    assert found.status == 0, found.err
    assert found.json["keys"] == []
    assert "No key in memory matches." in opswire.run("cache", "keys").out


@pytest.mark.parametrize(
    ("arguments", "tags"),
    [
        (["--tag", "a", "--tag", "b"], ["a", "b"]),
        (["--template", "restart {service}"], ["template:restart {service}"]),
        (["--tool", "ssh.read"], ["tool:ssh.read"]),
        (["--all"], ["all"]),
        (["web-01"], ["all"]),
    ],
)
def test_an_invalidation_is_done_when_the_command_returns(
    opswire: CommandLine, arguments: list[str], tags: list[str]
) -> None:
    found = opswire.run("cache", "invalidate", *arguments, "--json")
    assert found.status == 0, found.err
    assert (found.json["acknowledged"], found.json["tags"]) == (True, tags)


def test_what_was_invalidated_is_said_to_people(opswire: CommandLine) -> None:
    found = opswire.run("cache", "invalidate", "web-01")
    assert "No process serves it any longer" in found.out
    assert "inventory could not be asked" in found.out


def test_changed_documents_are_told_and_in_force_when_the_command_returns(opswire: CommandLine) -> None:
    found = opswire.run("cache", "changed", "knowledge", "disk.md", "net.md", "--version", "7", "--json")
    assert found.status == 0, found.err
    tags = ["knowledge", "knowledge:disk.md", "knowledge:net.md"]
    assert (found.json["acknowledged"], found.json["tags"]) == (True, tags)
    assert "No process serves it any longer" in opswire.run("cache", "changed", "knowledge").out
    assert opswire.run("cache", "changed", "policy").status == 2


@pytest.mark.parametrize("arguments", [[], ["web-01", "--all"], ["--tag", "a", "--tool", "b"]])
def test_one_thing_is_invalidated_at_a_time(opswire: CommandLine, arguments: list[str]) -> None:
    found = opswire.run("cache", "invalidate", *arguments)
    assert found.status == 2
    assert "opswire cache invalidate ASSET" in found.err


def test_the_canary_that_is_off_says_how_to_set_it_going(opswire: CommandLine) -> None:
    found = opswire.run("cache", "canary", "--json")
    assert found.status == 1
    assert "OPSWIRE_CANARY_INTERVAL_S" in found.json["error"]["advice"]


def test_warming_without_a_list_says_what_is_missing(opswire: CommandLine, tmp_path: Path) -> None:
    assert "no request to warm with" in opswire.run("cache", "warm").err
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n\n")
    assert "holds no request" in opswire.run("cache", "warm", str(empty)).err
    both = opswire.run("cache", "warm", "--recent", "3", "--resume")
    assert (both.status, "exclude each other" in both.err) == (2, True)


def test_a_warming_run_is_begun_with_the_requests_of_a_file(opswire: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "common.txt"
    file.write_text("list hosts\nshow web-01 # why\n")
    found = opswire.run("cache", "warm", str(file), "--no-wait", "--json")
    assert found.status == 0, found.err
    assert (found.json["state"], found.json["total"]) == ("running", 2)


def test_a_wrong_token_and_no_service_are_told_apart(opswire: CommandLine, tmp_path: Path) -> None:
    opswire.environment["OPSWIRE_HTTP_TOKEN"] = "wrong"
    refused = opswire.run("cache", "invalidate", "--all")
    assert (refused.status, "refuses the token" in refused.err) == (1, True)
    opswire.environment["OPSWIRE_CACHE_URL"] = f"http://127.0.0.1:{free_port(frozenset())}"
    assert opswire.run("cache", "stats").status == 3
    del opswire.environment["OPSWIRE_CACHE_URL"]
    nothing = opswire.run("cache", "stats")
    assert (nothing.status, "opswire up" in nothing.err) == (3, True)


def printed(draw: object, found: object, width: int = 80) -> str:
    console = Console(width=width, soft_wrap=True, force_terminal=False)
    with console.capture() as capture:
        draw(console, found)  # type: ignore[operator]
    return capture.get()


def test_no_figure_is_cut_however_narrow_the_terminal() -> None:
    names = ("memory_hits", "shared_hits", "coalesced", "misses", "bypasses", "stale_memory", "stale_shared")
    counts = dict.fromkeys(names, 123_456_789) | {"hit_rate": 0.987}
    cache = {"name": "context", "is_on": False, "off_reason": "2.0 % wrong hits", "counts": counts, "bytes": 5_000_000}
    holder = {"state": "fenced", "holder_id": "intent-1", "service": "intent", "applied": 7, "heard_s_ago": 0.4}
    out = printed(print_statistics, {"caches": [cache | {"entries": 1_000}], "holders": [holder]})
    for words in ("98.7%", "123,456,789", "246,913,578", "5.0 MB", "2.0 % wrong hits", "fenced   intent-1"):
        assert words in out


def test_a_key_is_shown_whole_and_harmless() -> None:
    key = {"cache": "context", "holder_id": "assets-1", "hits": 3, "age_s": 2.0, "bytes": 900, "tags": ["name:web-01"]}
    out = printed(
        print_keys, {"keys": [key | {"key": "x" * 120 + "\x1b[31m[bold]"}], "is_cut": True, "silent": ["i-1"]}
    )
    assert "x" * 120 in out
    assert "\x1b" not in out
    assert "[bold]" in out
    assert "i-1 did not answer" in out


def test_a_narrow_terminal_shows_the_key_beneath_what_is_short() -> None:
    key = {"cache": "context", "holder_id": "assets-1", "hits": 3, "age_s": 2.0, "bytes": 900, "tags": ["name:web-01"]}
    console = Console(width=80, soft_wrap=True, force_terminal=True, color_system=None)
    with console.capture() as capture:
        print_keys(console, {"keys": [key | {"key": "x" * 60}], "is_cut": False, "silent": []})
    assert capture.get().splitlines() == [
        "cache    process   hits  age   size",
        "context  assets-1     3  2 s  900 B",
        f"    key {'x' * 60}",
        "    tags name:web-01",
    ]


def test_who_was_late_is_named() -> None:
    holder = {"holder_id": "intent-1", "service": "intent"}
    done = {
        "by": "lease",
        "holders": [holder],
        "late": [holder],
        "fenced_after_ms": 280.0,
        "note": "",
        "took_ms": 281.2,
    }
    out = printed(print_invalidation, done | {"tags": ["all"]}, width=200)
    assert "intent-1 (intent) did not answer; it is fenced" in out
    assert "281.2 ms" in out


def test_the_canary_and_the_warming_say_what_they_found() -> None:
    canary = {"rounds": 1_000, "median_s": 0.017, "p99_s": 0.2, "last_s": 0.02, "stale_reads": 2, "failed": 1}
    out = printed(print_canary, canary | {"last_error": "the inventory is away"}, width=200)
    assert "1,000 rounds" in out
    assert "p99 200.0 ms" in out
    assert "2 reads answered the old value" in out
    assert "the inventory is away" in out
    run = {"state": "running", "done": 3, "total": 2_000, "failed": 1, "last_error": ""}
    assert "running: 3 of 2,000 requests · 1 did not complete" in printed(print_warming, run)
