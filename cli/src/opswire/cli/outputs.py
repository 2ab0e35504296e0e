"""The whole output of a step, where its outcome could not hold it: read from the object store, its digest compared."""

from __future__ import annotations

import asyncio
import hashlib

import orjson
from nats.errors import Error as NatsError
from opswire.cli.bus import Bus, connected
from opswire.cli.errors import CommandError, NotFoundError
from opswire.contracts.routes import OUTPUTS

TIMEOUT_S = 30.0


async def read_output(url: str, source: str, request_id: str, step: int) -> bytes:
    """The output as lines of JSON. Raises NotFoundError, or CommandError where it is not what the outcome names."""
    async with connected(url) as bus:
        reference = await _reference(bus, source, request_id, step)
        name, digest = reference.partition(" ")[0], reference.rpartition("sha256:")[2]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                store = await bus.client.jetstream().object_store(OUTPUTS)
                data = (await store.get(name)).data
        except (NatsError, TimeoutError) as error:
            raise NotFoundError(f"the output {name} is not kept any more: {type(error).__name__}") from error
    if data is None or hashlib.sha256(data).hexdigest() != digest:
        raise CommandError(f"the output {name} is not the one that the outcome names: its digest differs")
    return data


async def _reference(bus: Bus, source: str, request_id: str, step: int) -> str:
    for fact in await bus.facts(source, request_id):
        if fact.subject.endswith(f".step.{step}.outcome"):
            reference = orjson.loads(fact.body).get("output_reference")
            if isinstance(reference, str):
                return reference
            raise NotFoundError(f"step {step} has no output beyond its outcome", f"opswire show {request_id}")
    raise NotFoundError(f"{source}/{request_id} has no outcome of a step {step}", f"opswire show {request_id}")
