"""What the demo clears away before it starts: its own state, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from opswire.cli.demo.__main__ import empty
from opswire.cli.errors import CommandError
from opswire.cli.state import StateDir


def test_a_folder_that_is_no_state_directory_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(CommandError, match="would be emptied"):
        empty(StateDir(tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


def test_what_an_earlier_demo_left_is_removed(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "demo")
    empty(state)
    state.prepare()
    (state.path / "people.yaml").write_text("people: []")
    empty(state)
    assert not state.path.exists()
