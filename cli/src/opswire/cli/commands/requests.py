"""`ask`, `publish`, `show`, `trace`: one request, from its bytes to the account of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.errors import OUTCOME_NOT_COMPLETED
from opswire.cli.options import STATE_DIR_DEFAULT, Deadline, Json, Source, StateDir, broker_at

if TYPE_CHECKING:
    from pathlib import Path

    from opswire.cli.submission import Outcome, Progress, Submission

RequestKey = Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Or SOURCE/REQUEST_ID for another upstream's.")]
RequestIdOption = Annotated[str | None, typer.Option("--id", help="The request id; a new UUIDv7 where not given.")]
As = Annotated[str | None, typer.Option("--as", help="Who asks; default: the user of this terminal.")]


def ask(
    text: Annotated[str, typer.Argument(help="What to ask, in words.")],
    requester: As = None,
    deadline: Deadline = "30s",
    source: Source = "cli",
    request_id: RequestIdOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every tool anew; no kept result may answer.")] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Ask in words, follow the progress, print the one outcome. Exit status 0 only when it was completed."""
    with reporting(as_json):
        from dataclasses import replace

        from opswire.cli import building
        from opswire.cli.values import duration_ms

        submission = building.of_text(text, building.who(requester), duration_ms(deadline), source, request_id)
        submission = replace(submission, is_fresh=fresh)
        outcome = _see_through(submission, state_dir, as_json)
        _finish(outcome, as_json)


def publish(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for standard input.")],
    source: Source = "cli",
    request_id: RequestIdOption = None,
    event_format: Annotated[
        str | None, typer.Option("--format", help="alertmanager.v4 or json: wrap a bare payload into a request.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Publish the bytes as they are, unread and unchecked.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the outcome and print it.")] = True,
    requester: As = None,
    deadline: Deadline = "30s",
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Publish an event or a request from a file. Without --format and --raw the file holds a request in JSON."""
    with reporting(as_json):
        from opswire.cli import building
        from opswire.cli.values import duration_ms

        body = building.read_bytes(file)
        if raw:
            submission = building.of_raw(body, duration_ms(deadline), source, request_id)
        elif event_format is not None:
            who = building.who(requester)
            submission = building.of_event(body, event_format, who, duration_ms(deadline), source, request_id)
        else:
            submission = building.of_request(body, source, request_id)
        if wait:
            _finish(_see_through(submission, state_dir, as_json), as_json)
        else:
            _accept(submission, state_dir, as_json)


def show(
    request: RequestKey,
    output: Annotated[
        int | None,
        typer.Option("--output", metavar="STEP", min=1, help="A step's whole output, as lines of JSON."),
    ] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """All facts of one request in the order in which the broker stored them."""
    with reporting(as_json):
        if output is not None:
            _print_output(request, output, state_dir)
            return
        from opswire.cli.facts import facts_as_json, read_facts
        from opswire.cli.policy import rule_environment
        from opswire.cli.resolving import signatures_of
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.values import request_key
        from opswire.cli.views.facts import print_facts

        source, request_id = request_key(request)
        facts, parked = run(read_facts(broker_at(state_dir), source, request_id))
        signatures = signatures_of(facts, source, rule_environment(Directory(state_dir), {}))
        if as_json:
            write_json(facts_as_json(source, request_id, facts, parked, signatures))
        else:
            print_facts(terminal(), source, request_id, facts, parked, signatures)


def _print_output(request: str, step: int, state_dir: Path) -> None:
    import sys

    from opswire.cli.outputs import read_output
    from opswire.cli.values import request_key

    sys.stdout.buffer.write(run(read_output(broker_at(state_dir), *request_key(request), step)))


def trace(
    request: Annotated[
        str | None, typer.Argument(metavar="[REQUEST_ID]", help="Or SOURCE/REQUEST_ID; elsewhere a trace id too.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="OTLP (JSON lines, JSON, protobuf) or Jaeger's JSON.")
    ] = None,
    jaeger: Annotated[str | None, typer.Option("--jaeger", metavar="URL", help="A Jaeger, or a trace in it.")] = None,
    tempo: Annotated[str | None, typer.Option("--tempo", metavar="URL", help="A Tempo, or a trace in it.")] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Where the time of one request went: waterfall and a stage table that adds up. Also of traces of other systems."""
    with reporting(as_json):
        from pathlib import Path

        from opswire.cli.errors import UsageError
        from opswire.cli.tracing import Elsewhere, print_trace, print_traces
        from opswire.cli.values import request_key

        if file is not None or jaeger is not None or tempo is not None:
            print_traces(Elsewhere(Path(file) if file is not None else None, jaeger, tempo), request, as_json)
        elif request is None:
            raise UsageError("which request?", "opswire trace REQUEST_ID, or --from FILE, --jaeger URL or --tempo URL")
        else:
            print_trace(_trace_store(state_dir), *request_key(request), as_json)


def _trace_store(state_dir: Path) -> Path:
    import os
    from pathlib import Path

    from opswire.cli.state import StateDir as Directory

    given = os.environ.get("OPSWIRE_TRACE_STORE")
    return Path(given) if given else Directory(state_dir).trace_store


def _see_through(submission: Submission, state_dir: Path, as_json: bool) -> Outcome:
    from opswire.cli.bus import connected
    from opswire.cli.submission import see_through
    from opswire.cli.values import shown_key

    url, store = broker_at(state_dir), _trace_store(state_dir)

    async def work(progress: Progress | None) -> Outcome:
        async with connected(url) as bus:
            return await see_through(bus, submission, store, progress)

    if as_json:
        return run(work(None))
    from opswire.cli.views.outcome import following

    try:
        with following(terminal(error=True), submission) as progress:
            return run(work(progress))
    except KeyboardInterrupt:
        key = shown_key(submission.source, submission.request_id)
        told = f"Not waited for any longer; the request goes on: opswire show {key}, opswire cancel {key} ends it"
        terminal(error=True).print(told, markup=False)
        raise


def _accept(submission: Submission, state_dir: Path, as_json: bool) -> None:
    from opswire.cli.bus import connected
    from opswire.cli.submission import accept
    from opswire.cli.values import shown_key

    url, store = broker_at(state_dir), _trace_store(state_dir)

    async def work() -> Any:
        async with connected(url) as bus:
            return await accept(bus, submission, store)

    accepted = run(work())
    if as_json:
        names = ("source", "request_id")
        write_json(
            {name: getattr(submission, name) for name in names} | {"accepted": True, "repeated": accepted.repeated}
        )
    else:
        key = shown_key(submission.source, submission.request_id)
        again = " (it was before)" if accepted.repeated else ""
        terminal().print(f"Accepted{again}: {key}. See: opswire show {key}", markup=False)


def _finish(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        write_json(outcome.as_json())
    else:
        from opswire.cli.views.outcome import print_outcome

        print_outcome(terminal(), outcome)
    if outcome.finished.get("status") != "completed":
        raise typer.Exit(OUTCOME_NOT_COMPLETED)
