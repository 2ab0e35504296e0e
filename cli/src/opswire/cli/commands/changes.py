"""`cancel` and `resolve`: ending a request early, and settling what nobody knew."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from opswire.cli.commands.requests import RequestKey
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, Key, StateDir

if TYPE_CHECKING:
    from opswire.contracts.resolution_recorded import ResolutionRecorded


class FoundOut(StrEnum):
    """What a person found out about a step."""

    DONE = "done"
    NOT_DONE = "not-done"
    REPAIRED = "repaired"


def cancel(
    request: RequestKey,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who read it later.")] = "",
    wait_s: Annotated[float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the outcome.")] = 5.0,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Begin nothing more of a request, and end the step that runs. What was done stays done."""
    with reporting(as_json):
        from opswire.cli.bus import connected
        from opswire.cli.cancelling import cancel as ask_to_cancel
        from opswire.cli.values import request_key

        async def work() -> dict[str, Any]:
            async with connected(_url(state_dir)) as bus:
                return await ask_to_cancel(bus, *request_key(request), reason, wait_s)

        found = run(work())
        if as_json:
            write_json(found)
            return
        again = " (somebody asked for it before)" if found["repeated"] else ""
        finished = found["finished"]
        told = f"it is {finished.get('status')}" if finished else "it has no outcome yet"
        terminal().print(f"Asked to cancel{again}; {told}. See: opswire show {found['key']}", markup=False)


def resolve(
    request: RequestKey,
    found: Annotated[FoundOut, typer.Option("--found", help="What you found: the step did its work, or not, or now.")],
    note: Annotated[str, typer.Option("--note", help="What you looked at. It is signed with the rest.")] = "",
    step: Annotated[int | None, typer.Option("--step", min=1, help="Its number, where several are unknown.")] = None,
    key: Key = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Settle a step of which nobody knew whether it had done its work: sign what you found on the host."""
    with reporting(as_json):
        from opswire.cli.bus import connected
        from opswire.cli.policy import ask_policy, rule_environment
        from opswire.cli.resolving import as_json as told_as_json
        from opswire.cli.resolving import resolve as settle
        from opswire.cli.seeds import read_seed
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.values import request_key, shown_key

        seed = read_seed(key)
        source, request_id = request_key(request)
        meant = found.value.replace("-", "_")

        async def work() -> ResolutionRecorded:
            async with connected(_url(state_dir)) as bus:
                return await settle(bus, source, request_id, step, meant, note, seed)  # type: ignore[arg-type]

        record = run(work())
        question = {"source": source, "resolution": record.model_dump(mode="json", exclude_none=True)}
        counts = ask_policy("signature", rule_environment(Directory(state_dir), {}), question)
        if as_json:
            write_json(told_as_json(record, source, counts))
            return
        who = counts["person"] or f"a key that does not count here ({counts['sentence']})"
        told = f"Settled: step {record.number} {found.value}, signed by {who}."
        terminal().print(f"{told} See: opswire show {shown_key(source, request_id)}", markup=False)


def _url(state_dir: Path) -> str:
    from opswire.cli.state import StateDir as Directory
    from opswire.cli.state import broker_url

    return broker_url(Directory(state_dir))
