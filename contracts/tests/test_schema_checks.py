"""Each check bites on a tree that is bad in one way, and on nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from opswire.contracts import schemas
from opswire.contracts.checks import Code, check
from opswire.contracts.schemas import Tree, release, this_tree, write

BAD = Path(__file__).parent / "bad"
CASES = sorted(path.parent.name for path in BAD.glob("*/case.json"))
BuildTree = Callable[[str], Tree]


def code_of(case: str) -> str:
    return str(json.loads((BAD / case / "case.json").read_text(encoding="utf-8"))["code"])


def test_this_repository_has_no_flaw() -> None:
    assert [str(flaw) for flaw in check(this_tree())] == []


def test_the_good_tree_has_no_flaw(build_tree: BuildTree) -> None:
    assert [str(flaw) for flaw in check(build_tree("good"))] == []


@pytest.mark.parametrize("case", CASES)
def test_a_bad_tree_gives_exactly_its_code(case: str, build_tree: BuildTree) -> None:
    flaws = check(build_tree(case))
    assert {flaw.code for flaw in flaws} == {code_of(case)}, "\n".join(map(str, flaws))
    assert all(flaw.where and flaw.text for flaw in flaws)


def test_every_code_has_a_bad_tree() -> None:
    assert {code_of(case) for case in CASES} == set(Code)


def test_an_edited_released_schema_is_restored_by_the_command_it_names(build_tree: BuildTree) -> None:
    tree = build_tree("released_schema_edited")
    (flaw,) = check(tree)
    assert "python -m opswire.contracts.schemas write" in flaw.text
    assert "add note/v2.py" in flaw.text
    assert [path.name for path in write(tree)] == ["v1.json"]
    assert check(tree) == []


def test_a_stale_schema_is_mended_by_the_command_it_names(build_tree: BuildTree) -> None:
    tree = build_tree("schema_stale")
    (flaw,) = check(tree)
    assert "python -m opswire.contracts.schemas write" in flaw.text
    write(tree)
    assert {found.code for found in check(tree)} == {Code.EXAMPLE_NOT_FULL}


def test_writing_never_touches_what_was_released_otherwise(build_tree: BuildTree) -> None:
    tree = build_tree("breaking_change")
    before = tree.schema_path(("note", 1)).read_bytes()
    assert write(tree) == []
    assert tree.schema_path(("note", 1)).read_bytes() == before
    (flaw,) = check(tree)
    assert "the field becomes required (senders first)" in flaw.text
    assert "add note/v2.py" in flaw.text


def test_releasing_locks_what_is_new_and_leaves_the_rest(build_tree: BuildTree) -> None:
    tree = build_tree("good")
    before = json.loads(tree.lock_path.read_text(encoding="utf-8"))
    assert release(tree, "0.2.0") == ["note/v2", "recipe/v1"]
    after = json.loads(tree.lock_path.read_text(encoding="utf-8"))
    assert {name: after[name] for name in before} == before
    assert after["recipe/v1"]["release"] == "0.2.0"
    assert release(tree, "0.3.0") == []
    assert check(tree) == []


def test_the_command_line_says_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert schemas.main(["check"]) == 0
    assert "no flaw" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        schemas.main(["check", "--root", str(tmp_path)])
    (tmp_path / "pyproject.toml").touch()
    assert schemas.main(["check", "--root", str(tmp_path)]) == 1
    assert "route_without_schema: plan_made/v2" in capsys.readouterr().out
    assert schemas.main(["write", "--root", str(tmp_path)]) == 0
    assert "wrote schemas/plan_made/v2.json" in capsys.readouterr().out
