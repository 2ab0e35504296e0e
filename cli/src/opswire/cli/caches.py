"""The cache service, over its HTTP interface."""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opswire.cli.errors import CommandError, UsageError
from opswire.cli.http import ServiceClient
from opswire.cli.state import StateDir

POLL_S = 0.5
CANARY_ADVICE = "start it with OPSWIRE_CANARY_INTERVAL_S=30 (elsewhere than under `opswire up` OPSWIRE_ASSETS_URL too)"
WARM_ADVICE = "opswire cache warm FILE or --recent 50; OPSWIRE_WARM_FILE names the list that is meant without either"


def client_of(state: StateDir) -> ServiceClient:
    """A client of the running cache service; `OPSWIRE_CACHE_URL` and `OPSWIRE_HTTP_TOKEN` name another one."""
    url, token = os.environ.get("OPSWIRE_CACHE_URL"), os.environ.get("OPSWIRE_HTTP_TOKEN")
    if url is not None:
        return ServiceClient(url, token or "")
    record = state.running()
    return ServiceClient(record.urls["cache"], record.token)


def statistics(state: StateDir) -> dict[str, Any]:
    """What all caches of all processes do."""
    found: dict[str, Any] = client_of(state).call("GET", "/cache/stats")
    return found


def keys(state: StateDir, tag: str | None, cache: str | None, limit: int) -> dict[str, Any]:
    """The keys in memory, of every process."""
    query = {"limit": str(limit)} | ({"tag": tag} if tag else {}) | ({"cache": cache} if cache else {})
    found: dict[str, Any] = client_of(state).call("GET", "/cache/keys", query)
    return found


def invalidate(
    state: StateDir, asset: str | None, tags: Sequence[str], template: str | None, tool: str | None, everything: bool
) -> dict[str, Any]:
    """Put out of date what was named; answers once no process serves it. Raises UsageError unless one was named."""
    wishes: dict[str, Any] = {"tags": list(tags), "template": template, "tool": tool, "all": everything, "asset": asset}
    named = {key: value for key, value in wishes.items() if value}
    if len(named) != 1:
        raise UsageError(
            "name one thing to invalidate" if not named else f"name one thing, not {' and '.join(named)}",
            "opswire cache invalidate ASSET, or one of --tag, --template, --tool, --all",
        )
    client = client_of(state)
    if asset:
        found: dict[str, Any] = client.call("POST", f"/cache/invalidate/{urllib.parse.quote(asset, safe='')}")
    else:
        found = client.call("POST", "/cache/invalidate", body=json.dumps(named).encode())
    return found


def changed(state: StateDir, kind: str, names: Sequence[str], version: str) -> dict[str, Any]:
    """Say that something changed that answers rest on; answers once no process serves what stood on the old state."""
    body = {"kind": kind, "names": list(names), "version": version}
    found: dict[str, Any] = client_of(state).call("POST", "/cache/changed", body=json.dumps(body).encode())
    return found


def request_lines(file: Path) -> list[str]:
    """The requests of a file, one in a line; `#` begins a comment. Raises UsageError when there are none."""
    try:
        lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text", "a file with one request in a line") from error
    if not any(lines):
        raise UsageError(f"{file} holds no request", "a file with one request in a line")
    return [line for line in lines if line]


def warm(
    state: StateDir,
    requests: Sequence[str],
    recent: int | None,
    resume: bool,
    wait: bool,
    report: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Begin a warming run, or go on with the last one; `report` hears of its progress while we wait for its end."""
    if sum((bool(requests), recent is not None, resume)) > 1:
        raise UsageError("a file, --recent and --resume exclude each other", "one of them, or none for the list set")
    body: dict[str, Any] = {"requests": list(requests)} if requests else {}
    body |= {} if recent is None else {"recent": recent}
    body |= {"resume": True} if resume else {}
    client = client_of(state)
    try:
        found: dict[str, Any] = client.call("POST", "/cache/warm", body=json.dumps(body).encode())
    except UsageError as error:
        raise UsageError(str(error), WARM_ADVICE) from error
    while wait and found["state"] == "running":
        report(found)
        time.sleep(POLL_S)
        found = client.call("GET", "/cache/warm")
    if wait and found["state"] != "done":
        raise CommandError(f"the warming run {found['state']}: {found['last_error']}", "opswire cache warm --resume")
    return found


def canary(state: StateDir) -> dict[str, Any]:
    """What the canary saw in the last day. Raises CommandError when it is off."""
    found: dict[str, Any] = statistics(state)["canary"]
    if not found["is_on"]:
        raise CommandError("the canary is off", CANARY_ADVICE)
    return found
