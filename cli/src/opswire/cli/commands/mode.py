"""`mode`: stop everything, let nothing be changed, and go back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, Key, StateDir, broker_at

if TYPE_CHECKING:
    from opswire.cli.modes import Mode, Told

app = typer.Typer(no_args_is_help=True, help="What executors may do: show, stop, read-only, normal.")
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who read it later.")]


@app.command("show")
def show(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """The mode, who changed it last, when and why; and where executors have not taken that."""
    with reporting(as_json):
        from opswire.cli.modes import mode_in_force
        from opswire.cli.state import StateDir as Directory

        _print(_read(state_dir), as_json, mode_in_force(Directory(state_dir)))


@app.command("stop")
def stop(reason: Reason = "", state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Begin no tool any more and end what runs, within a second. Needs no key."""
    _change("stopped", reason, None, state_dir, as_json)


@app.command("read-only")
def read_only(
    key: Key = None, reason: Reason = "", state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False
) -> None:
    """Begin nothing that changes anything, within a second. Needs no key, unless everything is stopped."""
    with reporting(as_json):
        from opswire.cli.modes import mode_in_force
        from opswire.cli.seeds import read_seed
        from opswire.cli.state import StateDir as Directory

        told, in_force = _read(state_dir), mode_in_force(Directory(state_dir))
        is_milder = "stopped" in (told.changed and told.changed.mode, in_force and in_force[0])
        seed = read_seed(key) if is_milder or key is not None else None
    _change("read_only", reason, seed, state_dir, as_json)


@app.command("normal")
def normal(
    key: Key = None, reason: Reason = "", state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False
) -> None:
    """Let everything be done again. Needs the signature of a person of the role operator."""
    with reporting(as_json):
        from opswire.cli.seeds import read_seed

        seed = read_seed(key)
    _change("normal", reason, seed, state_dir, as_json)


def _read(state_dir: Path) -> Told:
    from opswire.cli.bus import connected
    from opswire.cli.modes import read_mode

    async def work() -> Told:
        async with connected(broker_at(state_dir)) as bus:
            return await read_mode(bus)

    return run(work())


def _check_signature(told: Told, state_dir: Path, as_json: bool) -> None:
    """Say at once where executors will not take it, as far as the people file that is read here tells."""
    from opswire.cli.policy import ask_policy, rule_environment
    from opswire.cli.state import StateDir as Directory

    if told.changed is None or told.changed.signature is None:
        return
    question = {"mode": told.changed.model_dump(mode="json", exclude_none=True)}
    found = ask_policy("signature", rule_environment(Directory(state_dir), {}), question)
    if found["person"] is None and not as_json:
        terminal(error=True).print(f"note: executors may not take it: {found['sentence']}", markup=False)


def _change(mode: Mode, reason: str, seed: str | None, state_dir: Path, as_json: bool) -> None:
    with reporting(as_json):
        from opswire.cli.bus import connected
        from opswire.cli.modes import change_mode

        async def work() -> Told:
            async with connected(broker_at(state_dir)) as bus:
                return await change_mode(bus, mode, reason, seed)

        told = run(work())
        _check_signature(told, state_dir, as_json)
        _print(told, as_json)


def _print(told: Told, as_json: bool, in_force: tuple[str, str] | None = None) -> None:
    if as_json:
        write_json(told.as_json() | ({"in_force": in_force[0]} if in_force else {}))
        return
    from opswire.cli.facts import clock
    from opswire.cli.views.visible import visible

    console = terminal()
    if told.changed is None:
        console.print("normal, and it never was anything else")
        return
    who = told.changed.person or "nobody who signed"
    console.print(f"{told.changed.mode.replace('_', '-')} since {clock(told.at_ns)}, by {who}", markup=False)
    if told.changed.reason:
        console.print(visible(told.changed.reason))
    if in_force and in_force[0] != told.changed.mode:
        told_by = f"but executors are {in_force[0].replace('_', '-')}: they have not taken it"
        console.print(f"{told_by}; only the signature of an operator whom people.yaml names counts", style="bold red")
