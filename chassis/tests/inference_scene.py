"""A client in front of scripted model servers, and the faults that those can have: what the fault tests share."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic  # noqa: F401  both are loaded here, so that no test's clock runs meanwhile
import openai  # noqa: F401
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.call import Chunk, InferenceCall, Message, OutputSchema
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.inference.errors import (
    InferenceOverloadedError,
    InferenceTimeoutError,
    InferenceUnavailableError,
    ReplyInvalidError,
    ReplyTooLargeError,
    StreamBrokenError,
)
from opswire.chassis.metrics import Metrics
from opswire.chassis.testing.scripted_faults import model_faults
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer, Body

DEADLINE_S = 1.0
GRACE_S = 10.0
"""How late an error may be on a loaded machine. A call that waits for a server that hangs would be late for ever."""
NUMBER = re.compile(r"number (\d+)")


def number_in(body: Body) -> str:
    """The number that a request asks about, as a reply in the schema; so an answer can be matched with its call."""
    found = next((found for message in body["messages"] if (found := NUMBER.search(str(message["content"])))), None)
    return json.dumps({"number": int(found[1]) if found else -1})


def said_by(name: str) -> Answer:
    """A right answer that says who gave it."""
    return Answer(number_in, model=name, input_tokens=20, output_tokens=5)


GOOD = said_by("first")


def _decode(content: bytes) -> int:
    found: Any = json.loads(content)
    if not isinstance(found, dict) or set(found) != {"number"} or not isinstance(found["number"], int):
        raise ValueError("a reply holds `number`, a whole number, and nothing else")
    return found["number"]


NUMBER_SCHEMA: OutputSchema[int] = OutputSchema(
    "number",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["number"],
        "properties": {"number": {"type": "integer"}},
    },
    _decode,
)


FAULTS = model_faults(GOOD)
STREAM_FAULTS = tuple(fault for fault in FAULTS if fault.name != "wrong schema")
"""A stream's answer has no schema, so it has no wrong one."""
ERRORS: dict[str, type[OpswireError]] = {
    "refused connection": InferenceUnavailableError,
    "hang": InferenceTimeoutError,
    "429": InferenceOverloadedError,
    "429 for longer than there is time": InferenceOverloadedError,
    "500": InferenceUnavailableError,
    "cut answer": InferenceUnavailableError,
    "slow drip": InferenceTimeoutError,
    "garbage JSON": ReplyInvalidError,
    "wrong schema": ReplyInvalidError,
    "10 MB reply": ReplyTooLargeError,
    "10 MB reply of no announced length": ReplyTooLargeError,
}
"""What a caller is told when there is no other server."""
STREAM_ERRORS = ERRORS | {"cut answer": StreamBrokenError}


PROTOCOLS = ("vllm", "anthropic")


def endpoint_of(model: ScriptedModel, name: str = "first", provider: str = "vllm", **settings: Any) -> Endpoint:
    """Where a scripted model listens, as a provider of either protocol would be configured."""
    url = model.root_url if provider == "anthropic" else model.url
    usual = {"name": name, "provider": provider, "base_url": url, "model": name, "timeout_s": 30.0, "api_key": "none"}
    return Endpoint(**usual | settings)


def a_call(number: int = 7, deadline_s: float = DEADLINE_S) -> InferenceCall:
    """A question with an answer of its own."""
    messages = (Message("system", "Say the number.", is_stable=True), Message("user", f"number {number}"))
    return InferenceCall("test.number", messages, time.time_ns() + int(deadline_s * 1e9), max_tokens=32)


@asynccontextmanager
async def client_of(*endpoints: Endpoint) -> AsyncIterator[InferenceClient]:
    """A client with this chain, closed at the end."""
    configuration = InferenceConfiguration(chain=endpoints)
    async with client_with(lambda: configuration) as client:
        yield client


@asynccontextmanager
async def client_with(configuration: Callable[[], InferenceConfiguration]) -> AsyncIterator[InferenceClient]:
    """A client whose configuration may change."""
    client = InferenceClient("test", configuration, Metrics())
    try:
        yield client
    finally:
        await client.close()


async def streamed(client: InferenceClient, call: InferenceCall) -> list[Chunk]:
    """Every part of a streamed answer."""
    return [chunk async for chunk in client.stream(call)]


def text_of(chunks: list[Chunk]) -> str:
    """What a reader of the stream holds at its end: a restart voids what came before."""
    text = ""
    for chunk in chunks:
        text = chunk.text if chunk.is_restart else text + chunk.text
    return text
