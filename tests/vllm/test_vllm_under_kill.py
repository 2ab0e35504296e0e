"""The real server, killed while it answers: the caller gets a typed error or another endpoint's answer, in time."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path

import pytest
from opswire.chassis.embedded.vllm_server import VllmServer
from opswire.chassis.inference.errors import InferenceUnavailableError, StreamBrokenError
from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import Answer
from opswire.chassis.testing.waiting import until_told
from vllm_scene import LONG_TOKENS, a_call, client_of, endpoint_of

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]


def family_of(server: VllmServer) -> list[int]:
    """The server's process and what it started: they share its session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session, *_ = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(session) == server.pid and state not in "ZX":
            found.append(int(path.parent.name))
    return found


async def test_a_stream_whose_server_is_killed_breaks_or_begins_anew_elsewhere(vllm: VllmServer) -> None:
    """Three calls at once: a stream and a whole reply without a fallback, a stream with one. Nothing is left of it."""
    assert len(family_of(vllm)) >= 3
    with ScriptedModel() as other:
        other.always(Answer("said by the other"))
        fallback = endpoint_of(vllm, name="other", base_url=other.url, model="other")
        async with (
            client_of(endpoint_of(vllm)) as alone,
            client_of(endpoint_of(vllm), fallback) as chained,
            aclosing(alone.stream(a_call(max_tokens=LONG_TOKENS))) as one,
            aclosing(chained.stream(a_call(max_tokens=LONG_TOKENS))) as two,
        ):
            whole = asyncio.create_task(alone.complete(a_call(max_tokens=LONG_TOKENS)))
            assert (await anext(one)).text
            assert (await anext(two)).text
            os.kill(vllm.pid, signal.SIGKILL)
            with pytest.raises(StreamBrokenError):
                async for _ in one:
                    pass
            with pytest.raises(InferenceUnavailableError):
                await whole
            rest = [chunk async for chunk in two]
    assert [chunk.is_restart for chunk in rest].count(True) == 1
    after = rest[[chunk.is_restart for chunk in rest].index(True) :]
    assert "".join(chunk.text for chunk in after) == "said by the other"
    assert rest[-1].reply is not None
    assert (rest[-1].reply.endpoint, rest[-1].reply.text) == ("other", "said by the other")

    async def is_gone() -> bool:
        return family_of(vllm) == []

    vllm.process.wait()
    await until_told(is_gone, 60.0)


async def test_it_comes_back_on_its_port_and_is_asked_again(vllm: VllmServer) -> None:
    async with client_of(endpoint_of(vllm)) as client:
        assert (await client.complete(a_call())).text
