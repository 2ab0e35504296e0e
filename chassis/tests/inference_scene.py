"""A client in front of scripted model servers, and the faults that those can have: what the fault tests share."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

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
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import (
    Answer,
    Body,
    Cut,
    Drip,
    Fail,
    Garbage,
    Hang,
    Huge,
    Step,
    wrong_schema,
)

DEADLINE_S = 1.0
GRACE_S = 1.0
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


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a server fails, and what a caller is told when there is no other server."""

    name: str
    step: Step | None
    """None: nobody listens."""
    error: type[OpswireError]
    stream_error: type[OpswireError] | None = None
    """Where it differs. A stream's answer has no schema, so it has no wrong one."""

    def begin(self, model: ScriptedModel) -> None:
        """Let the server fail."""
        if self.step is None:
            model.refuse()
        else:
            model.always(self.step)

    def end(self, model: ScriptedModel) -> None:
        """Let it be well again."""
        model.always(GOOD)
        model.listen()
        model.release()


FAULTS = (
    Fault("refused connection", None, InferenceUnavailableError),
    Fault("hang", Hang(GOOD), InferenceTimeoutError),
    Fault("429", Fail(429, retry_after_s=0.05), InferenceOverloadedError),
    Fault("429 for longer than there is time", Fail(429, retry_after_s=3_600), InferenceOverloadedError),
    Fault("500", Fail(500), InferenceUnavailableError),
    Fault("cut answer", Cut(GOOD), InferenceUnavailableError, StreamBrokenError),
    Fault("slow drip", Drip(GOOD), InferenceTimeoutError),
    Fault("garbage JSON", Garbage(), ReplyInvalidError),
    Fault("wrong schema", wrong_schema(), ReplyInvalidError),
    Fault("10 MB reply", Huge(), ReplyTooLargeError),
    Fault("10 MB reply of no announced length", Huge(is_announced=False), ReplyTooLargeError),
)
STREAM_FAULTS = tuple(fault for fault in FAULTS if fault.name != "wrong schema")


def endpoint_of(model: ScriptedModel, name: str = "first", **settings: Any) -> Endpoint:
    """Where a scripted model listens, as vLLM would be configured."""
    return Endpoint(
        **{"name": name, "provider": "vllm", "base_url": model.url, "model": name, "timeout_s": 30.0} | settings
    )


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
