"""Streams and consumers as the route table wants them."""

from __future__ import annotations

from pathlib import Path

from nats.errors import Error as NatsError
from opswire.chassis.errors import OpswireError
from opswire.chassis.provision import provision
from opswire.cli.broker_seed import options_for
from opswire.cli.bus import connected
from opswire.cli.errors import CommandError


async def provision_streams(nats_url: str, replicas: int, seed_file: Path | None = None) -> dict[str, list[str]]:
    """Make streams and consumers; what was created, updated, unchanged.

    Raises NotRunningError when nothing answers there, CommandError when the broker refuses.
    """
    async with connected(nats_url, seed_file):
        pass  # says plainly when nothing answers there
    try:
        report = await provision(nats_url, replicas, options_for(nats_url, seed_file))
    except (OpswireError, NatsError, OSError) as error:
        raise CommandError(f"the streams could not be made: {error}", "opswire doctor") from error
    return {"created": report.created, "updated": report.updated, "unchanged": report.unchanged}
