"""`approvals`: plans that wait for people, and people's signed word on them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from opswire.cli.commands.requests import RequestKey
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, Key, StateDir, broker_at

if TYPE_CHECKING:
    from opswire.cli.approvals import Asked, Decision

app = typer.Typer(no_args_is_help=True, help="Plans that wait for people: list, show, approve, deny, watch.")
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again. Without a terminal --digest is needed too.")]
Digest = Annotated[
    str | None, typer.Option("--digest", help="The digest of the plan that you have read, 12 characters or more of it.")
]
Note = Annotated[str, typer.Option("--note", help="A remark for those who read it later; not signed.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the decision that it leads to.")
]


@app.command("list")
def list_approvals(
    everything: Annotated[bool, typer.Option("--all", help="Also what waits no longer.")] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What waits for approval, the first to expire first."""
    with reporting(as_json):
        from opswire.cli.approvals import read_waiting
        from opswire.cli.bus import connected
        from opswire.cli.views.approvals import print_list

        async def work() -> list[Asked]:
            async with connected(broker_at(state_dir)) as bus:
                return await read_waiting(bus, everything)

        found, now_ns = run(work()), time.time_ns()
        if as_json:
            write_json({"approvals": [asked.as_json(now_ns) for asked in found]})
        else:
            print_list(terminal(), found, now_ns)


@app.command("show")
def show(request: RequestKey, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Everything that would run: each step with all its arguments, its targets, why it is asked, and until when."""
    with reporting(as_json):
        asked = _read(state_dir, request)
        _show(asked, as_json)


@app.command("deny", help="Show the plan, ask, and sign that it may not run. One no outweighs every yes.")
@app.command("approve", help="Show the plan, ask, and sign that exactly this may run.")
def decide_upon(
    context: typer.Context,
    request: RequestKey,
    key: Key = None,
    note: Note = "",
    yes: Yes = False,
    digest: Digest = None,
    wait_s: Wait = 5.0,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Sign a word on a plan; which one is the command's name."""
    decision: Decision = "approve" if context.command.name == "approve" else "deny"
    with reporting(as_json):
        from opswire.cli.approvals import check_digest
        from opswire.cli.seeds import read_seed

        seed = read_seed(key)
        _check_consent(yes, digest, as_json)
        asked = _read(state_dir, request)
        if digest is not None:
            check_digest(asked, digest)
        if digest is None or not yes:
            _show(asked, as_json=False)
        if not yes:
            _ask(decision, asked)
        _say(decision, asked, seed, note, wait_s, state_dir, as_json)


@app.command("watch")
def watch(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """What waits now, and each new plan as it is asked; ends with Ctrl-C. With --json one document a line."""
    with reporting(as_json):
        import json

        from opswire.cli.approvals import watch as watching
        from opswire.cli.bus import connected
        from opswire.cli.views.approvals import line

        async def work() -> None:
            async with connected(broker_at(state_dir)) as bus:
                terminal(error=True).print("Watching for plans that wait; Ctrl-C ends it.", style="dim")
                async for asked in watching(bus):
                    if as_json:
                        sys.stdout.write(json.dumps(asked.as_json(time.time_ns())) + "\n")
                        sys.stdout.flush()
                    else:
                        terminal().print(line(asked, time.time_ns()))

        run(work())


def _read(state_dir: Path, request: str) -> Asked:
    from opswire.cli.approvals import read_asked
    from opswire.cli.bus import connected
    from opswire.cli.values import request_key

    async def work() -> Asked:
        async with connected(broker_at(state_dir)) as bus:
            return await read_asked(bus, *request_key(request))

    return run(work())


def _show(asked: Asked, as_json: bool) -> None:
    from opswire.cli.views.approvals import print_asked

    if as_json:
        write_json(asked.as_json(time.time_ns()))
    else:
        print_asked(terminal(), asked, time.time_ns())


def _say(decision: Decision, asked: Asked, seed: str, note: str, wait_s: float, state_dir: Path, as_json: bool) -> None:
    from opswire.cli.approvals import decide, decided
    from opswire.cli.bus import connected
    from opswire.cli.views.approvals import print_said

    async def work() -> Any:
        async with connected(broker_at(state_dir)) as bus:
            given = await decide(bus, asked, seed, decision, note)
            return given, await decided(bus, asked, wait_s)

    given, outcome = run(work())
    counts = None if outcome else _worth(asked, given, state_dir)
    if as_json:
        told = outcome.model_dump(mode="json", exclude_none=True) if outcome else None
        write_json({"given": given.model_dump(mode="json", exclude_none=True), "decided": told, "signature_of": counts})
    else:
        print_said(terminal(), asked, decision, outcome, counts)


def _worth(asked: Asked, given: Any, state_dir: Path) -> dict[str, Any]:
    """Whose word it is, or why executors may not count it, as far as the people file that is read here tells."""
    from opswire.cli.policy import ask_policy, rule_environment
    from opswire.cli.state import StateDir as Directory

    bodies = {"asked": asked.request, "given": given}
    question = {name: body.model_dump(mode="json", exclude_none=True) for name, body in bodies.items()}
    return ask_policy("signature", rule_environment(Directory(state_dir), {}), question | {"source": asked.source})


def _check_consent(yes: bool, digest: str | None, as_json: bool) -> None:
    """Nobody signs what nobody has seen: a terminal shows it, elsewhere the digest says what was read."""
    from opswire.cli.errors import UsageError

    has_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if not has_terminal and (not yes or digest is None):
        advice = "opswire approvals show REQUEST_ID, then --yes --digest DIGEST"
        raise UsageError("without a terminal, say what you have read: --yes and --digest", advice)


def _ask(decision: Decision, asked: Asked) -> None:
    from opswire.cli.errors import CommandError
    from opswire.cli.views.plain import counted

    steps = counted(len(asked.request.plan.steps), "step")
    verb = "Sign that exactly this may run" if decision == "approve" else "Sign that this may not run"
    if not typer.confirm(f"{verb} ({steps}, digest {asked.seen[:12]})?"):
        raise CommandError("nothing is signed", f"opswire approvals show {asked.key}")
