"""Streams and durable consumers: made by one step (`opswire provision`), only checked by services.

nats-py binds a durable with other settings without a word, and FastStream's declare overwrites a shared stream; so
both are told not to create anything, and a service refuses to start on what it finds to be different.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nats
import orjson
from nats.aio.client import Client
from opswire.chassis.errors import OpswireError
from opswire.contracts.route import Consumer, Route
from opswire.contracts.routes import (
    AUDIT,
    CHANGES,
    DEADLINE_SCHEDULE_WILDCARD,
    FACTS,
    LOCKS,
    OUTPUTS,
    PARKED,
    PROGRESS,
    ROUTES,
    TIMERS,
)

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
# A killed holder costs its messages this long. Longer work is kept by in-progress heartbeats every third of it.
ACK_WAIT_S = 5
# What the broker takes at most: a parked record holds a message of this size in base64.
MESSAGE_BYTES_MAX = 327_680
OUTPUTS_BYTES_MAX = 256 * 1024 * 1024
Config = dict[str, Any]


class DriftError(OpswireError):
    """A stream or consumer is missing or not as provisioned. Run `opswire provision`."""

    code = "broker_drift"


def _subjects(stream: str) -> list[str]:
    return [route.wildcard for route in ROUTES if route.stream == stream]


def stream_configs(replicas: int) -> list[Config]:
    """The wanted configuration of every stream, in the broker's own JSON. Durations are in nanoseconds."""
    common: Config = {"retention": "limits", "num_replicas": replicas, "allow_direct": True, "storage": "file"}
    return [common | {"subjects": _subjects(own["name"])} | own for own in (_facts(), _outputs(), *_others())]


def _facts() -> Config:
    """One message per subject, and neither a later one nor a deletion replaces it: the broker's own "once"."""
    return {
        "name": FACTS,
        "max_msgs_per_subject": 1,
        "discard": "new",
        "discard_new_per_subject": True,
        "deny_delete": True,
        "deny_purge": True,
        "max_age": 90 * DAY_NS,
        "duplicate_window": 120 * SECOND_NS,
        "max_msg_size": MESSAGE_BYTES_MAX,
    }


def _outputs() -> Config:
    """An object store in its own form. What is put when it is full is refused, and told without its reference."""
    return {
        "name": f"OBJ_{OUTPUTS}",
        "subjects": [f"$O.{OUTPUTS}.C.>", f"$O.{OUTPUTS}.M.>"],
        "discard": "new",
        "allow_rollup_hdrs": True,
        "max_age": 90 * DAY_NS,
        "max_bytes": OUTPUTS_BYTES_MAX,
    }


def _others() -> list[Config]:
    progress: Config = {
        "name": PROGRESS,
        "storage": "memory",
        "num_replicas": 1,
        "discard": "old",
        "max_age": 3_600 * SECOND_NS,
        "max_bytes": 64 * 1024 * 1024,
        "duplicate_window": 120 * SECOND_NS,
    }
    changes: Config = {
        "name": CHANGES,
        "discard": "old",
        # The newest state of every asset stays for whoever starts from nothing. A holder that lags further behind than
        # this drops everything it remembers, which is always safe.
        "max_msgs_per_subject": 1_000,
        "max_msg_size": MESSAGE_BYTES_MAX,
        "duplicate_window": 120 * SECOND_NS,
    }
    parked: Config = {"name": PARKED, "max_msgs_per_subject": 1, "discard": "old", "max_age": 90 * DAY_NS}
    timers: Config = {
        "name": TIMERS,
        "subjects": [*_subjects(TIMERS), DEADLINE_SCHEDULE_WILDCARD],
        "discard": "old",
        "max_age": 2 * DAY_NS,
        "max_msg_size": MESSAGE_BYTES_MAX,
        "allow_msg_schedules": True,
        "allow_msg_ttl": True,
    }
    # The last word on each lock, written by compare and set: its sequence is the holder's fencing token.
    locks: Config = {
        "name": LOCKS,
        "max_msgs_per_subject": 1,
        "discard": "old",
        "deny_purge": True,
        "max_msg_size": MESSAGE_BYTES_MAX,
        "duplicate_window": 120 * SECOND_NS,
    }
    # Kept for good: what is recorded here is all that is left to show when the facts have expired.
    audit: Config = {
        "name": AUDIT,
        "discard": "new",
        "deny_delete": True,
        "deny_purge": True,
        "max_msg_size": MESSAGE_BYTES_MAX,
        "duplicate_window": 120 * SECOND_NS,
    }
    return [progress, changes, parked, timers, locks, audit]


def consumer_config(route: Route, consumer: Consumer) -> Config:
    """The wanted configuration of one durable pull consumer."""
    return {
        "durable_name": consumer.durable,
        "name": consumer.durable,
        "filter_subject": route.wildcard,
        "ack_policy": "explicit",
        "ack_wait": ACK_WAIT_S * SECOND_NS,
        "max_deliver": -1,
        "max_ack_pending": 4_096,
        "deliver_policy": "all",
        "replay_policy": "instant",
    }


@dataclass(slots=True)
class ProvisionReport:
    """What provisioning did, by name."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


async def _api(client: Client, subject: str, body: object | None = None) -> dict[str, Any]:
    payload = b"" if body is None else orjson.dumps(body)
    reply = await client.request(f"$JS.API.{subject}", payload, timeout=10)
    answer: dict[str, Any] = orjson.loads(reply.data)
    return answer


def _differences(wanted: Config, found: Config) -> dict[str, tuple[object, object]]:
    """Keys whose value is not the wanted one: (wanted, found). Lists are compared without order."""

    def plain(value: object) -> object:
        if isinstance(value, list):
            return sorted(value)
        return value or None  # the broker leaves false, 0 and empty out

    return {key: (value, found.get(key)) for key, value in wanted.items() if plain(value) != plain(found.get(key))}


async def _apply(client: Client, kind: str, name: str, wanted: Config, report: ProvisionReport) -> None:
    label = f"{kind} {name}"
    if kind == "stream":
        info, create, update = f"STREAM.INFO.{name}", f"STREAM.CREATE.{name}", f"STREAM.UPDATE.{name}"
        body: object = wanted
    else:
        stream, durable = name.split("/")
        info = f"CONSUMER.INFO.{stream}.{durable}"
        create = update = f"CONSUMER.CREATE.{stream}.{durable}.{wanted['filter_subject']}"
        body = {"stream_name": stream, "config": wanted}
    found = await _api(client, info)
    if "error" in found:
        answer = await _api(client, create, body)
        report.created.append(label)
    elif _differences(wanted, found["config"]):
        merged = found["config"] | wanted
        answer = await _api(client, update, merged if kind == "stream" else {"stream_name": stream, "config": merged})
        report.updated.append(label)
    else:
        report.unchanged.append(label)
        return
    if "error" in answer:
        raise DriftError(f"{label} cannot be provisioned: {answer['error'].get('description')}")


async def provision(
    nats_url: str, replicas: int = 1, connect_options: Mapping[str, Any] | None = None
) -> ProvisionReport:
    """Create or update every stream and durable consumer of the route table.

    Safe to repeat. Raises DriftError when the broker refuses a change (a property that can only be set at creation).
    """
    client = await nats.connect(nats_url, connect_timeout=5, max_reconnect_attempts=2, **(connect_options or {}))
    try:
        report = ProvisionReport()
        for config in stream_configs(replicas):
            await _apply(client, "stream", config["name"], config, report)
        for route in ROUTES:
            for consumer in route.consumers:
                name = f"{route.stream}/{consumer.durable}"
                await _apply(client, "consumer", name, consumer_config(route, consumer), report)
        return report
    finally:
        await client.close()


async def drift(client: Client, routes: list[tuple[Route, Consumer]], replicas: int, streams: set[str]) -> list[str]:
    """What is not as provisioned, one sentence each; empty when all is well. Only the named parts are looked at."""
    sentences: list[str] = []
    for config in stream_configs(replicas):
        if config["name"] not in streams:
            continue
        found = await _api(client, f"STREAM.INFO.{config['name']}")
        sentences += _sentences(f"stream {config['name']}", config, found)
    for route, consumer in routes:
        found = await _api(client, f"CONSUMER.INFO.{route.stream}.{consumer.durable}")
        sentences += _sentences(f"consumer {consumer.durable}", consumer_config(route, consumer), found)
    return sentences


def _sentences(label: str, wanted: Config, found: dict[str, Any]) -> list[str]:
    if "error" in found:
        return [f"{label} is missing"]
    return [
        f"{label}: {key} is {have!r}, wanted {want!r}"
        for key, (want, have) in _differences(wanted, found["config"]).items()
    ]
