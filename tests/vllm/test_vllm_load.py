"""The real server with more to do than it can at once: lanes, refusals, and calls that nobody waits for any more."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from opswire.chassis.embedded.vllm_server import VllmServer
from opswire.chassis.inference.call import Lane, Reply
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.errors import InferenceOverloadedError
from opswire.chassis.inference.priority import heeds_priority
from opswire.chassis.testing.waiting import until_told
from vllm_scene import CALLS_AT_ONCE, LONG_TOKENS, QUEUED_CALLS_MAX, WAIT_S, a_call, client_of, counted, endpoint_of

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]
BULK_CALLS = 16
INTERACTIVE_CALLS = 5


async def overtaken_by(client: InferenceClient, vllm: VllmServer) -> int:
    """How many of the bulk calls that waited already were answered before the last of the interactive ones.

    All places are taken by calls that never end. When everybody stands in the server's queue, one place is freed: so
    what waits goes through it one by one, and the order of the answers is the server's own, on any machine.
    """
    holding = [asyncio.create_task(client.complete(a_call(max_tokens=LONG_TOKENS))) for _ in range(CALLS_AT_ONCE)]
    answered: list[Lane] = []

    async def ask(lane: Lane, number: int) -> None:
        await client.complete(a_call(f"{lane} {number}", 4, lane))
        answered.append(lane)

    try:
        await until_told(lambda: at_work(vllm, CALLS_AT_ONCE, 0), WAIT_S)
        bulk = [asyncio.create_task(ask(Lane.BULK, number)) for number in range(BULK_CALLS)]
        await until_told(lambda: at_work(vllm, CALLS_AT_ONCE, BULK_CALLS), WAIT_S)
        urgent = [asyncio.create_task(ask(Lane.INTERACTIVE, number)) for number in range(INTERACTIVE_CALLS)]
        await until_told(lambda: at_work(vllm, CALLS_AT_ONCE, BULK_CALLS + INTERACTIVE_CALLS), WAIT_S)
        holding.pop().cancel()
        await asyncio.gather(*bulk, *urgent)
    finally:
        for call in holding:
            call.cancel()
        await asyncio.gather(*holding, return_exceptions=True)
        await until_told(lambda: at_work(vllm, 0, 0), WAIT_S)
    last = len(answered) - answered[::-1].index(Lane.INTERACTIVE)
    return answered[:last].count(Lane.BULK)


async def at_work(server: VllmServer, running: int, waiting: int) -> bool:
    """Whether so many calls are under way there, and so many stand in its queue."""
    waits = await counted(server, "vllm:num_requests_waiting")
    return await runs(server, running) and waits == waiting


async def test_interactive_calls_go_before_bulk_ones_and_only_by_their_priority(vllm: VllmServer) -> None:
    """On one server: with the field sent, and without it as the control."""
    # Our own queue must not be what orders them.
    wide = {"concurrency_max": 4 * BULK_CALLS, "retries_max": 3}
    async with client_of(endpoint_of(vllm, **wide, sends_priority=False)) as client:
        assert await overtaken_by(client, vllm) == BULK_CALLS
    async with client_of(endpoint_of(vllm, **wide)) as client:
        # One bulk call may be taken up in the very step in which the place becomes free.
        assert await overtaken_by(client, vllm) <= 1


async def test_a_full_server_refuses_and_is_well_afterwards(vllm: VllmServer) -> None:
    refused_before = await counted(vllm, "vllm:admission_rejections_total")
    settings = {"concurrency_max": 4 * QUEUED_CALLS_MAX, "retries_max": 0}
    async with client_of(endpoint_of(vllm, **settings)) as client:
        calls = [client.complete(a_call(f"many {number}", 50)) for number in range(2 * QUEUED_CALLS_MAX)]
        found = await asyncio.gather(*calls, return_exceptions=True)
    answered = [one for one in found if isinstance(one, Reply)]
    refused = [one for one in found if isinstance(one, InferenceOverloadedError)]
    assert len(answered) + len(refused) == len(found), [one for one in found if isinstance(one, Exception)][:3]
    assert len(answered) >= QUEUED_CALLS_MAX
    assert refused
    assert await counted(vllm, "vllm:admission_rejections_total") - refused_before >= 1
    async with client_of(endpoint_of(vllm)) as client:
        assert (await client.complete(a_call())).text


async def test_a_cancelled_call_frees_the_server(vllm: VllmServer) -> None:
    finished = await counted(vllm, "vllm:request_success_total")
    async with client_of(endpoint_of(vllm)) as client:
        call = asyncio.create_task(client.complete(a_call(max_tokens=LONG_TOKENS)))
        await until_told(lambda: runs(vllm, 1), WAIT_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until_told(lambda: runs(vllm, 0), WAIT_S)
    # Aborted calls are counted nowhere; one that had gone on to its end would be here.
    assert await counted(vllm, "vllm:request_success_total") == finished


async def test_a_stream_that_nobody_reads_on_frees_the_server(vllm: VllmServer) -> None:
    finished = await counted(vllm, "vllm:request_success_total")
    async with client_of(endpoint_of(vllm)) as client:
        async with aclosing(client.stream(a_call(max_tokens=LONG_TOKENS))) as stream:
            assert (await anext(stream)).reply is None
        await until_told(lambda: runs(vllm, 0), WAIT_S)
    # Aborted calls are counted nowhere; one that had gone on to its end would be here.
    assert await counted(vllm, "vllm:request_success_total") == finished


async def runs(server: VllmServer, calls: int) -> bool:
    """Whether so many calls are under way there."""
    return await counted(server, "vllm:num_requests_running") == calls


async def test_whether_a_server_heeds_priorities_can_be_found_out(vllm: VllmServer) -> None:
    """The same server, asked without the field, does what one does that ignores it."""
    assert await heeds_priority(endpoint_of(vllm)) is True
    assert await heeds_priority(endpoint_of(vllm, sends_priority=False)) is not True
