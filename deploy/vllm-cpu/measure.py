"""Asks the served model for the replies to the held-out rows and counts what is right. For this model's README only."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmServer, find_installation
from opswire.chassis.inference.call import InferenceCall, Message, Reply
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import ReplyInvalidError
from opswire.chassis.metrics import Metrics
from opswire.intent.prompts.library import load_prompts
from opswire.intent.prompts.outputs import output_of

AT_ONCE = 16
DEADLINE_S = 120.0


async def measure(url: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Shares of the rows whose reply is valid, and whose intent, risk and list of entities are the row's."""
    step = load_prompts("merged").steps[0]
    schema = output_of(step.asked)
    configuration = InferenceConfiguration(
        (Endpoint(name="cpu", provider="vllm", base_url=url, model=SERVED_NAME, timeout_s=DEADLINE_S),)
    )
    client = InferenceClient("measure", lambda: configuration, Metrics())
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(row: dict[str, Any]) -> Reply[Any] | None:
        messages = tuple(Message(**each) for each in row["messages"])
        async with places:
            deadline_ns = time.time_ns() + int(DEADLINE_S * 1e9)
            try:
                return await client.decide(InferenceCall("measure", messages, deadline_ns, step.max_tokens), schema)
            except ReplyInvalidError:
                return None

    replies = await asyncio.gather(*(ask(row) for row in rows))
    await client.close()
    pairs = [
        (json.loads(reply.text), json.loads(row["reply"])) for reply, row in zip(replies, rows, strict=True) if reply
    ]
    right = {key: sum(found[key] == wanted[key] for found, wanted in pairs) for key in ("intent", "entities", "risk")}
    return {"valid": len(pairs) / len(rows)} | {key: count / len(rows) for key, count in right.items()}


def main() -> int:
    """Serve the model and print the shares as JSON."""
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    installation = find_installation()
    with VllmServer(installation.home / "serve", installation) as server:
        shares = asyncio.run(measure(server.url, rows))
    sys.stdout.write(json.dumps({"rows": len(rows)} | {key: round(value, 3) for key, value in shares.items()}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
