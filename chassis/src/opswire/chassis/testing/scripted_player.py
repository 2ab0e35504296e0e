"""Plays one step on one connection."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from opswire.chassis.testing.scripted_steps import Answer, Cut, Drip, Fail, Garbage, Hang, Huge, Raw
from opswire.chassis.testing.scripted_wire import HttpRequest, body_of, chunk, event, events_of, failure, head, plain

if TYPE_CHECKING:
    from opswire.chassis.testing.scripted_model import Connection, ScriptedCall, ScriptedModel

PIECE_BYTES = 64 * 1024
PLACE = "<here the letters go>"
EVENTS = "text/event-stream; charset=utf-8"


async def play(connection: Connection, call: ScriptedCall, request: HttpRequest, model: ScriptedModel) -> None:
    """Play the call's step to its end. Cancelled when the client goes away."""
    match call.step:
        case Answer() as answer:
            await _answer(connection, call, request, answer)
        case Hang(then):
            await model.released.wait()
            await _answer(connection, call, request, then)
        case Fail() as step:
            await connection.send(call, failure(request, step))
        case Cut() as step:
            await _cut(connection, call, request, step)
        case Drip() as step:
            await _drip(connection, call, request, step, model.released)
        case Garbage(body):
            await _garbage(connection, call, request, body)
        case Huge() as step:
            await _huge(connection, call, request, step)
        case Raw(data):
            if data:
                await connection.send(call, data)
                connection.close()
            else:
                connection.reset()


async def _answer(connection: Connection, call: ScriptedCall, request: HttpRequest, answer: Answer) -> None:
    if not request.is_stream:
        await connection.send(call, plain(200, body_of(request, answer, call.number)))
        return
    await connection.send(call, head(200, EVENTS, None))
    for data in events_of(request, answer, call.number):
        await connection.send(call, chunk(data))
    await connection.send(call, chunk(b""))


async def _cut(connection: Connection, call: ScriptedCall, request: HttpRequest, step: Cut) -> None:
    if request.is_stream:
        await connection.send(call, head(200, EVENTS, None))
        for number, data in enumerate(events_of(request, step.answer, call.number)):
            if number == step.after_chunks:
                break
            await connection.send(call, chunk(data))
    else:
        whole = plain(200, body_of(request, step.answer, call.number))
        await connection.send(call, whole[: len(whole) * 3 // 4])
    connection.close()


async def _drip(
    connection: Connection, call: ScriptedCall, request: HttpRequest, step: Drip, released: asyncio.Event
) -> None:
    """All but the last byte, then blanks or comments for ever: the client always gets something and never the end."""
    if request.is_stream:
        data = b"".join(events_of(request, step.answer, call.number))
        await connection.send(call, head(200, EVENTS, None))
        filler, last, end = b":\n", data[-1:], chunk(b"")
    else:
        data = json.dumps(body_of(request, step.answer, call.number)).encode()
        await connection.send(call, head(200, "application/json", None))
        filler, last, end = b" ", data[-1:], chunk(b"")
    sent = 0
    while not released.is_set():
        piece = data[sent : sent + 1] if sent < len(data) - 1 else filler
        sent = min(sent + 1, len(data) - 1)
        await connection.send(call, chunk(piece))
        await _either(released, step.interval_s)
    await connection.send(call, chunk(data[sent:-1] + last) + end)


async def _either(released: asyncio.Event, interval_s: float) -> None:
    try:
        async with asyncio.timeout(interval_s):
            await released.wait()
    except TimeoutError:
        return


async def _garbage(connection: Connection, call: ScriptedCall, request: HttpRequest, body: bytes) -> None:
    if request.is_stream:
        data = chunk(b"data: " + body + b"\n\n") + chunk(b"")
        await connection.send(call, head(200, EVENTS, None) + data)
    else:
        await connection.send(call, head(200, "application/json", len(body)) + body)


async def _huge(connection: Connection, call: ScriptedCall, request: HttpRequest, step: Huge) -> None:
    """In pieces, so that nothing of this size lies in the memory of a test's process on our account."""
    if request.is_stream:
        await connection.send(call, head(200, EVENTS, None))
        for _ in range(step.size_bytes // PIECE_BYTES + 1):
            await connection.send(call, chunk(_huge_event(request, call.number)))
        await connection.send(call, chunk(b"data: [DONE]\n\n") + chunk(b""))
        return
    before, _, after = json.dumps(body_of(request, Answer(PLACE), call.number)).encode().partition(PLACE.encode())
    length = len(before) + step.size_bytes + len(after)
    await connection.send(call, head(200, "application/json", length if step.is_announced else None))
    for data in itertools.chain([before], _letters(step.size_bytes), [after]):
        await connection.send(call, data if step.is_announced else chunk(data))
    if not step.is_announced:
        await connection.send(call, chunk(b""))


def _letters(size_bytes: int) -> Iterator[bytes]:
    for start in range(0, size_bytes, PIECE_BYTES):
        yield b"x" * min(PIECE_BYTES, size_bytes - start)


def _huge_event(request: HttpRequest, number: int) -> bytes:
    if request.is_anthropic:
        delta: dict[str, Any] = {"type": "text_delta", "text": "x" * PIECE_BYTES}
        return event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
    choice = {"index": 0, "delta": {"content": "x" * PIECE_BYTES}, "finish_reason": None}
    common = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    return event(common | {"choices": [choice]})
