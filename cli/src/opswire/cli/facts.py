"""The facts of one request, read back from the broker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opswire.cli.bus import Stored, connected
from opswire.cli.parking import Parked, read_parked
from opswire.cli.values import unknown_request


def fact_name(stored: Stored) -> str:
    """The subject's part after the request id: submitted, intent, context, plan, finished."""
    return ".".join(stored.subject.split(".")[4:])


def clock(at_ns: int) -> str:
    """Local time of day to the millisecond."""
    moment = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at_ns // 1_000_000 % 1_000:03d}"


def body_of(stored: Stored) -> Any:
    """The body as JSON, or as text where it is none."""
    try:
        return json.loads(stored.body)
    except (ValueError, RecursionError):
        return stored.body.decode(errors="replace")


async def read_facts(url: str, source: str, request_id: str) -> tuple[list[Stored], list[Parked]]:
    """The facts in stored order, and parked records about this request. Raises NotFoundError when there are none."""
    async with connected(url) as bus:
        facts = await bus.facts(source, request_id)
        if not facts:
            raise unknown_request(source, request_id)
        prefix = f"opswire.v1.{source}.{request_id}."
        parked = [record async for record in read_parked(bus) if record.message.subject.startswith(prefix)]
    return facts, parked


def facts_as_json(
    source: str, request_id: str, facts: list[Stored], parked: list[Parked], signatures: Mapping[int, dict[str, Any]]
) -> dict[str, Any]:
    """Everything, with times in nanoseconds since 1970 and in milliseconds since the request was accepted.

    `signatures`, by a fact's sequence, say whose it bears, or why it does not count.
    """
    first_ns = facts[0].at_ns
    return {
        "source": source,
        "request_id": request_id,
        "facts": [
            {
                "fact": fact_name(fact),
                "sequence": fact.sequence,
                "at_ns": fact.at_ns,
                "after_ms": round((fact.at_ns - first_ns) / 1e6, 3),
                "headers": fact.headers,
                "body": body_of(fact),
                **({"signature_of": signatures[fact.sequence]} if fact.sequence in signatures else {}),
            }
            for fact in facts
        ],
        "parked": [record.as_json() for record in parked],
    }
