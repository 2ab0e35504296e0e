"""Walks through docs/how-to/add-a-message.md in a copy of the repository: its steps work and its outputs are true."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from opswire.contracts.schemas import this_tree

CONTRACTS = this_tree().root
PAGE = CONTRACTS.parent / "docs" / "how-to" / "add-a-message.md"
BLOCK = re.compile(r"(?P<before>[^\n]*\n)?\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
PATH = re.compile(r"`(contracts/[\w./]+\.(?:py|json))`")
PACKAGE = Path("contracts") / "src" / "opswire" / "contracts"
ROUTES = PACKAGE / "routes.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the contracts and of the documents made from them."""
    ignore = shutil.ignore_patterns("tests", "__pycache__")
    shutil.copytree(CONTRACTS, tmp_path / "contracts", ignore=ignore)
    shutil.copytree(CONTRACTS.parent / "docs", tmp_path / "docs")
    return tmp_path


def run(copy: Path, command: str) -> str:
    program, *arguments = shlex.split(command)
    assert program == "python"
    environment = os.environ | {"PYTHONPATH": str(copy / "contracts" / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout


def add_route(path: Path, block: str) -> None:
    """What the page asks of the reader: the import to the imports, the route before the table, its name into it."""
    imported, _, route = block.partition("\n\n")
    name = route.partition(" = ")[0]
    text = path.read_text(encoding="utf-8")
    text = text.replace(
        "from opswire.contracts.intent_resolved", f"{imported}\nfrom opswire.contracts.intent_resolved", 1
    )
    table = "ROUTES: tuple[Route, ...] = (\n"
    assert table in text
    path.write_text(text.replace(table, f"{route}\n{table}    {name},\n"), encoding="utf-8")


def walk(copy: Path) -> list[str]:
    """Follow the page block by block. Returns the commands that were run."""
    ran: list[str] = []
    target = ""
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        named = PATH.findall(block["before"] or "")
        target = named[-1] if named else target
        if block["kind"] == "console":
            for step in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, expected = step.partition("\n")
                assert run(copy, command) == expected, command
                ran.append(command)
        elif block["text"].startswith("from opswire.contracts.host_rebooted import"):
            add_route(copy / ROUTES, block["text"])
        elif block["kind"] in ("python", "json"):
            (copy / target).parent.mkdir(parents=True, exist_ok=True)
            (copy / target).write_text(block["text"], encoding="utf-8")
    return ran


def test_a_newcomer_can_follow_the_page(copy: Path) -> None:
    ran = walk(copy)
    assert len(ran) >= 9
    assert "python -m opswire.contracts.schemas release" in ran
    message = copy / PACKAGE / "host_rebooted" / "v1.py"
    message.write_text(message.read_text(encoding="utf-8").replace('ShortText = ""', "ShortText"), encoding="utf-8")
    told = run(copy, "python -m opswire.contracts.schemas check").splitlines()
    shown = next(block["text"] for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")) if block["kind"] == "text")
    assert told[0] == shown.strip()
