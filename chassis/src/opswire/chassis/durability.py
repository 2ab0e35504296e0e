"""Whether an acknowledged publish is durable, asked of the broker itself.

On one node only `sync_interval: always` makes it so: with the default a simulated power cut lost every acknowledged
message of the last two minutes. In a cluster of three the other nodes hold them. kill -9 loses nothing either way.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.request import urlopen

import orjson
from opswire.chassis.errors import OpswireError
from opswire.chassis.settings import ServiceSettings


class NotDurableError(OpswireError):
    """The broker acknowledges what a power cut would lose."""

    code = "broker_not_durable"


async def check_durability(settings: ServiceSettings) -> None:
    """Raise NotDurableError on a single node without `sync_interval: always`. Skipped without a monitoring URL."""
    if settings.nats_monitor_url is None or settings.stream_replicas >= 3:
        return
    url = f"{settings.nats_monitor_url.rstrip('/')}/jsz?config=1"
    answer = await asyncio.to_thread(_get, url)
    if not answer.get("config", {}).get("sync_always", False):
        raise NotDurableError(
            "the broker is a single node without `sync_interval: always`: set it in the jetstream block of its "
            "configuration, or run three nodes and set OPSWIRE_STREAM_REPLICAS=3"
        )


def _get(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise NotDurableError(f"{url} is no HTTP address of the broker's monitoring")
    try:
        with urlopen(url, timeout=5) as reply:  # noqa: S310  the scheme is checked above
            document: dict[str, Any] = orjson.loads(reply.read())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConnectionError(f"the broker's monitoring at {url} does not answer: {error}") from error
    return document
