"""One `opswire up` from start to end: servers, streams, services, then waiting for a signal, then everything down."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from opswire.chassis.broker_keys import OPERATOR
from opswire.cli.children import ProgramChild
from opswire.cli.errors import CommandError
from opswire.cli.processes import started_at
from opswire.cli.provisioning import provision_streams
from opswire.cli.stack import (
    SERVICES,
    STOP_ORDER,
    Wishes,
    broker_accounts,
    choose_ports,
    environment_of,
    ledger_child,
    loopback_wanted,
    model_child,
    nats_child,
    service_child,
    training_arguments,
    urls_of,
    valkey_child,
)
from opswire.cli.state import RunRecord, StateDir
from opswire.cli.supervisor import Report, Supervisor

Ready = Callable[[RunRecord, float], None]

MODEL_READY_TIMEOUT_S = 240.0
"""Half a minute on two quiet cores; a machine that does other things needs minutes."""


async def keep_up(state: StateDir, wishes: Wishes, report: Report, ready: Ready) -> None:
    """Start everything, call `ready` (what runs, seconds it took), wait for SIGINT or SIGTERM, end everything.

    The caller holds the lock. A second signal kills at once. Raises CommandError when the start failed; everything that
    was started has ended then.
    """
    began = time.monotonic()
    ports = choose_ports(wishes, state.ports())
    state.write_ports(ports)
    record = RunRecord(
        os.getpid(),
        started_at(os.getpid()),
        "starting",
        time.time_ns(),
        urls_of(ports),
        state.token(),
        str(state.trace_store),
        wishes.lab,
        loopback_wanted(state, wishes),
        seed_file=str(state.seed(OPERATOR)) if wishes.secured else "",
    )
    supervisor = Supervisor(state, record, report)
    stop = asyncio.Event()
    with _signals(stop, supervisor):
        starting = asyncio.create_task(_start_all(state, supervisor, ports, record, wishes))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                supervisor.set_phase("ready")
                ready(record, time.monotonic() - began)
                await stopping
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await supervisor.stop(STOP_ORDER)
            if wishes.lab:
                await asyncio.to_thread(lab_down, state)
            state.run_file.unlink(missing_ok=True)


@contextlib.contextmanager
def _signals(stop: asyncio.Event, supervisor: Supervisor) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _start_all(
    state: StateDir, supervisor: Supervisor, ports: dict[str, int], record: RunRecord, wishes: Wishes
) -> None:
    environment = environment_of(state, record.urls, record.token, record.loopback)
    accounts = broker_accounts(state) if wishes.secured else ""
    trained = asyncio.create_task(_train_if_missing(state, environment))
    model = asyncio.create_task(_model_up(state, supervisor, ports, wishes))
    try:

        async def provision() -> None:
            # After each start of the broker: a stream in memory is gone with it.
            await provision_streams(record.urls["nats"], 1, Path(record.seed_file) if record.seed_file else None)

        await _together(
            supervisor.start(nats_child(state, ports, accounts), provision),
            supervisor.start(valkey_child(state, ports)),
        )

        async def start(name: str) -> None:
            if name == "intent":
                await _together(trained, model)
            await supervisor.start(service_child(name, state, ports, environment, wishes.secured))

        lab = [asyncio.to_thread(_lab_up, state)] if wishes.lab else []
        ledger = supervisor.start(ledger_child(state, ports, environment))
        await _together(*lab, ledger, *(start(name) for name in SERVICES))
        if wishes.lab:
            await _import_lab(state, environment["OPSWIRE_INVENTORY_URL"])
    finally:
        trained.cancel()
        model.cancel()
        await asyncio.gather(trained, model, return_exceptions=True)


async def _model_up(state: StateDir, supervisor: Supervisor, ports: dict[str, int], wishes: Wishes) -> None:
    if wishes.model is not None:
        await supervisor.start(model_child(state, ports), timeout_s=MODEL_READY_TIMEOUT_S)


def _lab_up(state: StateDir) -> None:
    from opswire.lab import LabError, start

    try:
        start(state.path)
    except LabError as error:
        raise CommandError(f"the lab did not come up: {error}", "opswire lab down, then again") from error


async def _import_lab(state: StateDir, inventory_url: str) -> None:
    """Import the lab's inventory once: again only when its file has changed, or into another or emptied inventory.

    Otherwise every start would overwrite what people have edited since.
    """
    from opswire.cli.inventory import import_file, list_assets
    from opswire.lab import Lab

    path = Lab(state.path).inventory_path
    body = path.read_bytes()
    digest = hashlib.sha256(inventory_url.encode() + b"\n" + body).hexdigest()
    if state.lab_imported() == digest:
        kept = await asyncio.to_thread(list_assets, state, {"limit": "1"})
        if kept["total"]:
            return
    await import_file(state, body, path.name, "opswire")
    state.write_lab_imported(digest)


def lab_down(state: StateDir) -> None:
    """End the lab of this state directory. Its hosts are no children: they outlive a supervisor that was killed."""
    from opswire.lab import Lab

    Lab(state.path).down()


async def _together(*work: Awaitable[None]) -> None:
    """Await all; at the first failure the others are cancelled and the failure alone is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _train_if_missing(state: StateDir, environment: dict[str, str]) -> None:
    """Train the local classifier at the first start. A half-written one is never left: it is moved into place whole."""
    if state.classifier.exists():
        return
    new = state.classifier.with_name("classifier.new")
    _remove(new)
    trainer = ProgramChild("training", training_arguments(new), state.log("training"), environment)
    trainer.launch()
    try:
        status = await trainer.ended()
    finally:
        trainer.send(signal.SIGKILL)
    if status != 0:
        raise CommandError(f"training the local classifier ended with status {status}", f"look into {trainer.log}")
    new.replace(state.classifier)


def _remove(path: os.PathLike[str]) -> None:
    if os.path.isdir(path):  # noqa: PTH112
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108


def background_arguments(state: StateDir, wishes: Wishes) -> list[str]:
    """The command line of `up` without `--detach`, for the process that stays."""
    options = {"--nats-port": wishes.nats_port, "--valkey-port": wishes.valkey_port, "--http-port": wishes.http_port}
    given = [word for name, port in options.items() if port is not None for word in (name, str(port))]
    lab = "--lab" if wishes.lab else "--no-lab"
    model = [] if wishes.model is None else ["--model", wishes.model]
    secured = ["--secured"] if wishes.secured else []
    return [sys.executable, "-m", "opswire.cli", "up", "--state-dir", str(state.path), lab, *secured, *model, *given]
