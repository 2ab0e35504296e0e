"""The ledger imports nothing of ours; what it holds a copy of is the same as the original."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import opswire.ledger
from opswire.chassis.sinks import SCHEMA as WRITERS_SCHEMA
from opswire.chassis.stages import Stage as ChassisStage
from opswire.ledger.stages import Stage
from opswire.ledger.store import SCHEMA


def test_the_stages_are_the_chassis_stages() -> None:
    assert [(stage.name, stage.value) for stage in Stage] == [(stage.name, stage.value) for stage in ChassisStage]


def test_the_store_is_the_one_that_the_chassis_writes() -> None:
    assert SCHEMA == WRITERS_SCHEMA


def test_the_ledger_stands_on_the_standard_library_alone() -> None:
    allowed = sys.stdlib_module_names | {"opswire.ledger"}
    sources = sorted(Path(opswire.ledger.__path__[0]).rglob("*.py"))
    assert len(sources) > 10
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                top = ".".join(module.split(".")[:2]) if module.startswith("opswire") else module.split(".")[0]
                assert top in allowed, f"{source.name} imports {module}"
