"""The measurement that the how-to names runs, gives every figure, and ends with 1 where the import takes too long."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
HOW_TO = ROOT / "docs" / "how-to" / "import-an-inventory.md"
DOCUMENTED = "./just bench inventory"
ASSETS = 200


def measured(*more: str) -> subprocess.CompletedProcess[str]:
    """What the recipe runs, with few assets: their number decides nothing about whether it works."""
    command = [sys.executable, "-m", "bench.inventory", "--assets", str(ASSETS), *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_the_how_to_names_the_recipe_and_the_bound_that_it_enforces() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    assert f"\n    {DOCUMENTED}\n" in text
    recipe = (ROOT / "justfile").read_text(encoding="utf-8")
    assert "python -m bench.{{ NAME }} {{ ARGS }}" in recipe
    (bound,) = re.findall(r"^IMPORT_WITHIN_S = ([0-9.]+)$", (ROOT / "bench" / "inventory.py").read_text(), re.MULTILINE)
    assert f"within {float(bound):g} s on SQLite" in text
    assert f"status 1 above {float(bound):g} s" in text


@pytest.mark.parametrize(("within_s", "status"), [("300", 0), ("0", 1)])
def test_it_measures_everything_and_says_when_the_import_took_too_long(within_s: str, status: int) -> None:
    found = measured("--within-s", within_s, "--json")
    assert found.returncode == status, found.stderr
    figures: dict[str, Any] = json.loads(found.stdout)
    assert (figures["system"], figures["assets"]) == ("sqlite", ASSETS)
    assert min(figures["import_s"], figures["import_on_core_s"]) > 0
    assert set(figures["lookups"]) >= {"a request by name", "one read by name", "names like a misspelt one"}
    assert ("may take 0 s" in found.stderr) == bool(status)
