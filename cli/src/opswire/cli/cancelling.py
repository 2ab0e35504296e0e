"""Asking that nothing more of a request is begun."""

from __future__ import annotations

import time
from typing import Any

from opswire.cli.bus import Bus, ConflictError, finished_subject
from opswire.cli.errors import CommandError
from opswire.cli.facts import fact_name
from opswire.cli.sending import send
from opswire.cli.submission import read_finish
from opswire.cli.values import shown_key, unknown_request
from opswire.contracts.cancellation_requested import CancellationRequested
from opswire.contracts.routes import CANCELLATION_REQUESTED, FACTS


async def cancel(bus: Bus, source: str, request_id: str, reason: str, wait_s: float) -> dict[str, Any]:
    """Store the wish and wait up to `wait_s` seconds for the outcome; `finished` is None where there is none yet.

    Raises NotFoundError where there is no such request, CommandError where it has its outcome already.
    """
    key = shown_key(source, request_id)
    facts = {fact_name(fact): fact for fact in await bus.facts(source, request_id)}
    if "submitted" not in facts:
        raise unknown_request(source, request_id)
    if "finished" in facts:
        raise CommandError(
            f"{key} is {read_finish(facts['finished'].body).get('status')} already", f"opswire show {key}"
        )
    wish = CancellationRequested(request_id=request_id, reason=reason, asked_ns=time.time_ns())
    subject = CANCELLATION_REQUESTED.subject(source=source, request_id=request_id)
    repeated = False
    try:
        await send(bus, subject, wish, source)
    except ConflictError:
        repeated = True  # somebody asked for it before, in other words: that is as good
    async with bus.following(FACTS, finished_subject(source, request_id)) as feed:
        body = await bus.finish(feed, source, request_id, time.monotonic() + wait_s)
    finished = None if body is None else read_finish(body)
    return {"source": source, "request_id": request_id, "key": key, "repeated": repeated, "finished": finished}
