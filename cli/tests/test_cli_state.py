"""The state directory: private, and where it cannot be used that is said in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from opswire.cli.errors import CommandError, NotRunningError
from opswire.cli.processes import started_at
from opswire.cli.state import ChildRecord, RunRecord, StateDir
from opswire.cli.testing import CommandLine


def test_the_directory_and_what_is_made_above_it_are_open_to_the_owner_only(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "a" / "b")
    state.prepare()
    assert [(tmp_path / part).stat().st_mode & 0o777 for part in ("a", "a/b")] == [0o700, 0o700]
    (tmp_path / "a" / "b").chmod(0o755)
    state.prepare()
    assert state.path.stat().st_mode & 0o777 == 0o700


def test_a_file_in_its_place_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be used") as raised:
        StateDir(tmp_path / "file").prepare()
    assert "--state-dir" in raised.value.advice
    with pytest.raises(CommandError, match="cannot be used"):
        StateDir(tmp_path / "file").read_run()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody can make a folder")
def test_a_place_where_no_folder_can_be_made_is_an_error_too() -> None:
    with pytest.raises(CommandError, match="cannot be used"):
        StateDir(Path("/proc/opswire-state")).prepare()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1', "[]", '{"pid": 1}'])
def test_a_record_that_was_cut_short_says_that_nothing_runs(tmp_path: Path, text: str) -> None:
    state = StateDir(tmp_path)
    state.prepare()
    state.run_file.write_text(text)
    assert state.read_run() is None
    with pytest.raises(NotRunningError):
        state.running()


def test_down_does_not_say_that_nothing_runs_where_the_record_is_damaged(tmp_path: Path) -> None:
    """It names what the rest of the record names and what still runs, and ends none of it."""
    opswire = CommandLine(tmp_path / "state", {})
    state = StateDir(opswire.state_dir)
    state.prepare()
    ours = os.getpid()
    children = [ChildRecord("intent", ours, started_at(ours)), ChildRecord("assets", 2**31 - 1, "1")]
    state.write_run(RunRecord(ours, started_at(ours), "ready", 1, children=children))
    state.run_file.write_text(state.run_file.read_text().rstrip("}\n] "))
    told = opswire.run("down")
    assert told.status == 1
    assert f"{state.run_file} is damaged" in told.err
    assert f"there are supervisor {ours}, intent {ours}" in told.err
    assert "assets" not in told.err
    assert f"remove {state.run_file}" in told.err
    state.run_file.write_text("{")
    assert "ps -ef" in opswire.run("down").err
    state.run_file.unlink()
    assert "Nothing runs here." in opswire.run("down").out
