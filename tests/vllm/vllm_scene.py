"""What the tests against the real vLLM share: calls, a client, the server's own counters, and what was traced."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from opswire.chassis.embedded.vllm_server import SERVED_NAME, VllmServer
from opswire.chassis.inference.call import InferenceCall, Lane, Message, OutputSchema
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import InferenceConfiguration
from opswire.chassis.inference.endpoint import Endpoint
from opswire.chassis.metrics import Metrics
from opswire.chassis.telemetry import Span, exporter

CALLS_AT_ONCE = 4
QUEUED_CALLS_MAX = 64
CONTEXT_TOKENS_MAX = 32_768
LONG_TOKENS = 30_000
"""Minutes: so long that no pause of a busy machine hides what happens to a reply in its middle."""
WAIT_S = 120.0
ACTIONS = ["start", "stop", "restart"]


def endpoint_of(server: VllmServer, **settings: Any) -> Endpoint:
    """The server as a service would be configured for it."""
    return Endpoint(
        **{
            "name": "vllm",
            "provider": "vllm",
            "base_url": server.url,
            "model": SERVED_NAME,
            "timeout_s": WAIT_S,
            "connect_timeout_s": 5.0,
            "max_tokens": CONTEXT_TOKENS_MAX,
        }
        | settings
    )


def a_call(
    text: str = "restart checkout on web-01",
    max_tokens: int = 16,
    lane: Lane = Lane.INTERACTIVE,
    system: str = "Read the request.",
    deadline_s: float = WAIT_S,
) -> InferenceCall:
    """A question. The tests' model talks until `max_tokens`."""
    messages = (Message("system", system, is_stable=True), Message("user", text))
    return InferenceCall("test.vllm", messages, time.time_ns() + int(deadline_s * 1e9), max_tokens, lane)


def _decode(content: bytes) -> list[str]:
    found = json.loads(content)
    if not isinstance(found, dict) or list(found) != ["actions"]:
        raise ValueError("a reply holds `actions` and nothing else")
    return list(found["actions"])


def actions(most: int, least: int = 1) -> OutputSchema[list[str]]:
    """A list of words of which there are three: a model of any wit ends it, and only so."""
    words = {"type": "array", "items": {"type": "string", "enum": ACTIONS}, "minItems": least, "maxItems": most}
    shape = {
        "type": "object",
        "properties": {"actions": words},
        "required": ["actions"],
        "additionalProperties": False,
    }
    return OutputSchema(f"actions_{least}_{most}", shape, _decode)


@asynccontextmanager
async def client_of(*endpoints: Endpoint) -> AsyncIterator[InferenceClient]:
    """A client with this chain, closed at the end."""
    configuration = InferenceConfiguration(chain=endpoints)
    client = InferenceClient("test", lambda: configuration, Metrics())
    try:
        yield client
    finally:
        await client.close()


async def counted(server: VllmServer, name: str, **labels: str) -> float:
    """The sum of one of the server's own metrics over all label sets that hold `labels`."""

    def get() -> str:
        with urllib.request.urlopen(f"{server.root_url}/metrics", timeout=WAIT_S) as answer:
            body: bytes = answer.read()
        return body.decode()

    text = await asyncio.to_thread(get)
    found = re.findall(rf"^{re.escape(name)}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    assert found, f"the server has no metric {name}"
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(value) for given, value in found if all(each in given for each in wanted))


class SeenSpans:
    """A sink that keeps every span."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self._seen: list[Span] = []

    def write(self, spans: Sequence[Span]) -> None:
        """Keep them."""
        self._seen += spans

    def close(self) -> None:
        """Nothing to close."""

    def taken(self) -> list[Span]:
        """All spans so far; tracing ends with it."""
        exporter.stop()
        assert self.errors == []
        return self._seen
