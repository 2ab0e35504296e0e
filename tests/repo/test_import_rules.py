"""The import rules hold, and each of them bites: a forbidden import in a copy of the tree breaks that rule."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from opswire.contracts.routes import ROUTES

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "contracts",
    "chassis",
    "ledger",
    "lab",
    "cli",
    *(f"services/{name.name}" for name in (ROOT / "services").iterdir()),
)
FORBIDDEN = [
    ("stand", "chassis/src/opswire/chassis/errors.py", "opswire.cache.app"),
    ("services", "services/intent/src/opswire/intent/errors.py", "opswire.assets.errors"),
    ("command-line", "cli/src/opswire/cli/values.py", "opswire.intent.errors"),
    ("contracts", "contracts/src/opswire/contracts/failure.py", "orjson"),
    ("chassis", "chassis/src/opswire/chassis/errors.py", "opswire.contracts.plan_made"),
    ("use-cases", "services/executor/src/opswire/executor/usecases/expire.py", "asyncssh"),
    ("intent", "services/intent/src/opswire/intent/language/risk.py", "opswire.intent.usecases.read_event"),
    ("assets", "services/assets/src/opswire/assets/usecases/resolve.py", "opswire.assets.inventory.store"),
    ("executor", "services/executor/src/opswire/executor/usecases/expire.py", "opswire.executor.adapters.dns"),
    ("cache", "services/cache/src/opswire/cache/usecases/invalidate_for_change.py", "opswire.cache.app"),
    ("ledger", "ledger/src/opswire/ledger/model.py", "opswire.contracts.types"),
    ("lab", "lab/src/opswire/lab/layout.py", "opswire.chassis.errors"),
]


def lint_imports(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    sources = [str(root / package / "src") for package in PACKAGES]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "repo"), *sources])}
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-logo", "--no-cache", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def copied_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources and the rules, without tests and data."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / ".importlinter", copy)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package / "src",
            copy / package / "src",
            ignore=lambda folder, names: {
                name for name in names if Path(folder, name).is_file() and not name.endswith(".py")
            },
        )
    return copy


def contract_ids() -> set[str]:
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / ".importlinter")
    return {section.rpartition(":")[2] for section in configuration if ":contract:" in section}


def test_import_rules_hold(copied_tree: Path) -> None:
    done = lint_imports(copied_tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("contract", "path", "imported"), FORBIDDEN, ids=[row[0] for row in FORBIDDEN])
def test_import_rule_bites(copied_tree: Path, contract: str, path: str, imported: str) -> None:
    file = copied_tree / path
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\nimport {imported}\n", encoding="utf-8")
    try:
        done = lint_imports(copied_tree, "--contract", contract)
    finally:
        file.write_text(text, encoding="utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout, done.stdout


def test_every_import_rule_has_a_sample_that_breaks_it() -> None:
    assert contract_ids() == {row[0] for row in FORBIDDEN}


def test_every_message_is_kept_from_the_chassis() -> None:
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / ".importlinter")
    named = configuration["importlinter:contract:chassis"]["forbidden_modules"].split()
    wanted = sorted(f"opswire.contracts.{route.stem}" for route in ROUTES)
    assert sorted(named) == wanted, "name every message in .importlinter, contract `chassis`, forbidden_modules"
