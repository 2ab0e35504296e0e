"""Documents stay true: links lead somewhere, commands exist, no path of one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from opswire.cli.main import app
from rules import machine_paths

ROOT = Path(__file__).parents[2]
LEFT_OUT = {".venv", ".tools", ".opswire", ".git", ".hypothesis", ".pytest_cache", "data", "node_modules"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|(?:^    .*\n)+|`[^`\n]+`", re.DOTALL | re.MULTILINE)
RECIPE_CALL = re.compile(r"(?:^|[\s`$(])(?:\./)?just (?!-)([a-z][\w-]*)")
COMMAND_CALL = re.compile(r"(?:^|[`$] ?|\s{4}|run )opswire (?!-)([a-z][\w-]*)(?: ([a-z][\w-]*))?", re.MULTILINE)


def texts(*patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        for path in sorted(ROOT.rglob(pattern)):
            if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts):
                yield path


MARKDOWN = list(texts("*.md"))
NAMES = [str(path.relative_to(ROOT)) for path in MARKDOWN]


def broken_links(text: str, folder: Path) -> list[str]:
    """Links to files that are not there, and to headings that their file has not."""
    found = []
    for link in LINK.findall(text):
        target, _, heading = link.partition("#")
        if "://" in link or link.startswith(("mailto:", "#")):
            continue
        path = folder / target
        lost = not path.exists()
        if not lost and heading and path.suffix == ".md":
            lost = heading not in headings(path.read_text(encoding="utf-8"))
        if lost:
            found.append(link)
    return found


def headings(text: str) -> set[str]:
    """The anchors that a Markdown file offers."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", MARKDOWN, ids=NAMES)
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path.read_text(encoding="utf-8"), path.parent) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A title, with a comma\n", encoding="utf-8")
    text = "[a](there.md) [b](there.md#a-title-with-a-comma) [c](gone.md) [d](there.md#gone) [e](https://example.org/x)"
    assert broken_links(text, tmp_path) == ["gone.md", "there.md#gone"]


def recipes() -> set[str]:
    """The recipes of the justfile."""
    text = (ROOT / "justfile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w-]*)(?: [^:=]*(?:=\"[^\"]*\")?[^:=]*)?:(?!=)", text, re.MULTILINE))


def commands() -> dict[str, set[str]]:
    """The commands of `opswire`, each with its sub-commands."""
    group = typer.main.get_command(app)
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        found[name] = set(getattr(command, "commands", {}))
    return found


def unknown_calls(text: str) -> list[str]:
    """Recipes and commands that a document shows and that do not exist."""
    found = []
    known = commands()
    for code in CODE.findall(text):
        found += [f"just {name}" for name in RECIPE_CALL.findall(code) if name not in recipes()]
        for name, second in COMMAND_CALL.findall(code):
            if name not in known or (known[name] and second and second not in known[name]):
                found.append(f"opswire {name} {second}".strip())
    return found


@pytest.mark.parametrize("path", MARKDOWN, ids=NAMES)
def test_commands_shown_exist(path: Path) -> None:
    assert unknown_calls(path.read_text(encoding="utf-8")) == []


def test_an_unknown_command_is_found() -> None:
    text = "Run `./just test`, `./just nothing`, `opswire lab up`, `opswire nothing`.\n\n    opswire assets nothing\n"
    assert unknown_calls(text) == ["just nothing", "opswire nothing", "opswire assets nothing"]


def test_recipes_are_documented() -> None:
    text = (ROOT / "justfile").read_text(encoding="utf-8")
    lines = text.splitlines()
    bare = [name for name in recipes() if not lines[_line_of(name, lines) - 1].startswith("# ")]
    assert {
        "default",
        "up",
        "down",
        "demo",
        "test",
        "check",
        "fix",
        "contracts",
        "bench",
        "faults",
        "lab",
        "train",
    } <= recipes()
    assert bare == []


def _line_of(recipe: str, lines: list[str]) -> int:
    return next(number for number, line in enumerate(lines) if re.match(rf"{recipe}(?: .*)?:", line))


def test_no_document_or_configuration_names_a_path_of_one_machine() -> None:
    files = [*texts("*.md", "*.toml", "*.yaml", "*.yml", "justfile", "Dockerfile"), ROOT / "just", ROOT / ".ci" / "run"]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {sentence}"
        for path in files
        for line, sentence in machine_paths(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_decision_records_are_numbered_without_gaps_and_short() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60, f"{path.name}: a decision fits on a page"
