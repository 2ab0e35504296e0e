"""No way leads to a tool that changes something but the claim protocol."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from pathlib import Path

import opswire.executor.app
import pytest
from opswire.contracts.findings import Asset
from opswire.contracts.taxonomy import Effect
from opswire.executor.adapters.modes import Modes
from opswire.executor.adapters.reading_tools import ReadingTools
from opswire.executor.errors import ApprovalRequiredError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.people import People
from opswire.executor.rules.tools import ToolCall, ToolResult
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import call_of, run_step, running_until

SOURCE = Path(str(opswire.executor.app.__file__)).parent
CHANGING = sorted(entry.name for entry in packaged_catalogue() if entry.changes)


async def never(_: ToolCall) -> ToolResult:
    raise AssertionError("it was run")


@pytest.mark.parametrize("name", [*CHANGING, "tool.of.nobody"])
async def test_a_plan_that_calls_a_change_a_read_runs_nothing(
    name: str, make_context: Callable, make_asset: Callable[..., Asset]
) -> None:
    context = make_context("metrics.query", "load", [make_asset("web-01")])
    step = make_plan(context).steps[0].model_copy(update={"tool": name, "effect": Effect.READ})
    tools = ReadingTools({name: never}, packaged_catalogue, Modes(lambda: People()))
    outcome = await run_step(call_of(step, context), running_until(time.time_ns() + 60_000_000_000, tools))
    assert outcome.error is not None
    assert outcome.error.code == ApprovalRequiredError.code


async def test_what_only_reads_is_run(make_context: Callable, make_asset: Callable[..., Asset]) -> None:
    async def look(_: ToolCall) -> ToolResult:
        return ToolResult(({"result": "fine"},))

    reads = {entry.name: look for entry in packaged_catalogue() if not entry.changes}
    tools = ReadingTools(reads, packaged_catalogue, Modes(lambda: People()))
    context = make_context("metrics.query", "load", [make_asset("web-01")])
    call = call_of(make_plan(context).steps[0], context)
    assert [(await tool(call)).records for tool in tools.values()] == [({"result": "fine"},)] * len(reads)
    assert len(tools) == len(reads) > 10


def test_the_whole_table_goes_to_claimed_steps_alone() -> None:
    """By name: who is given `tools`, and who calls what `Wiring` keeps of it."""
    app = ast.parse((SOURCE / "app.py").read_text())
    given = sorted(
        node.func.id
        for node in ast.walk(app)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if any(isinstance(one, ast.Name) and one.id == "tools" for one in node.args)
    )
    assert given == ["ReadingTools", "Wiring"]
    wiring = ast.parse((SOURCE / "wiring.py").read_text())
    functions = [node for node in ast.walk(wiring) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    used: dict[str, set[str]] = {"_tools": set(), "_tool": set()}
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and node.attr in used:
                used[node.attr].add(function.name)
    assert used == {"_tools": {"__init__", "_tool"}, "_tool": {"_claimed"}}
    makers = [path.name for path in SOURCE.rglob("*.py") if "ClaimedSteps(" in path.read_text().replace("class ", "")]
    assert sorted(makers) == ["wiring.py"]
