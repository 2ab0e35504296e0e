"""The floor: one hop of the same chain, written by hand on nats-py and msgspec. No telemetry, no checks, no promises.

python -m bench.by_hand NATS_URL DURABLE STREAM WILDCARD NEXT_SUFFIX
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import nats
import uvloop
from nats.errors import TimeoutError as NatsTimeoutError

BATCH = 64


class Hop(msgspec.Struct):
    """The body that travels; every hop decodes it and encodes it again."""

    request_id: str
    text: str
    requester: dict[str, str]
    deadline_ms: int
    intent: str = ""
    assets: list[str] = []
    answer: str = ""


async def run(url: str, durable: str, stream: str, wildcard: str, suffix: str) -> None:
    """Take, decode, change, encode, publish with an id and its acknowledgement, acknowledge."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    subscription = await jetstream.pull_subscribe(wildcard, durable=durable, stream=stream)
    decoder, encoder = msgspec.json.Decoder(Hop), msgspec.json.Encoder()

    async def handle(message: nats.aio.msg.Msg) -> None:
        hop = decoder.decode(message.data)
        hop.intent, hop.assets, hop.answer = "asset.get", ["web-01"], "web-01 is a host."
        subject = f"{message.subject.rpartition('.')[0]}.{suffix}"
        await jetstream.publish(subject, encoder.encode(hop), headers={"Nats-Msg-Id": subject})
        await message.ack()

    print("ready", flush=True)
    while True:
        try:
            messages = await subscription.fetch(BATCH, timeout=5)
        except NatsTimeoutError:
            continue
        await asyncio.gather(*(handle(message) for message in messages))


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:6]))
