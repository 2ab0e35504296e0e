"""A fake of OpenAI's /files and /batches and of Anthropic's /messages/batches: hosted services cannot be here.

Real HTTP, as their documentation describes it, no model: an item is answered with `answer to <its last message>`. What
goes wrong is scripted for each batch. vLLM's own runner is the real counterpart for the file format.
"""

from __future__ import annotations

import asyncio
import email
import json
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]


class Fate(StrEnum):
    """What becomes of one item."""

    ANSWERED = "answered"
    FAILED = "failed"
    """The provider failed: may go again."""
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The results do not name it."""
    GARBAGE = "garbage"
    """A line that is no JSON."""


@dataclass(slots=True)
class BatchScript:
    """How the next batch goes. `fates` are by place in the batch, from 0."""

    polls: int = 1
    """How often it is asked for before it has ended."""
    poll_errors: list[int] = field(default_factory=list)
    """HTTP statuses that answer the first polls; 429 says when to come back."""
    retry_after_s: float = 0
    fates: dict[int, Fate] = field(default_factory=dict)
    fails_as_a_whole: bool = False
    answers_submission: bool = True
    """False: the batch is made, and the answer never comes; `made` is set."""
    submission_status: int = 200
    """Another one is answered although the batch was made."""


@dataclass(slots=True)
class FakeBatch:
    """A batch as the provider keeps it."""

    id: str
    lines: list[Json]
    script: BatchScript
    metadata: Json
    created_s: float
    polled: int = 0

    @property
    def is_ended(self) -> bool:
        """Whether it was asked for often enough."""
        return self.polled > self.script.polls

    def fate(self, place: int) -> Fate:
        """What becomes of the item at this place."""
        return self.script.fates.get(place, Fate.ANSWERED)


class ScriptedBatches:
    """Open it as an asynchronous context; `url` is the base URL for the openai SDK, `root` for anthropic's."""

    def __init__(self) -> None:
        self.scripts: list[BatchScript] = []
        """For the batches to come, in order; afterwards everything goes well."""
        self.batches: list[FakeBatch] = []
        self.made = asyncio.Event()
        self._files: dict[str, bytes] = {}
        self.polled = asyncio.Event()
        # Listening from the start: what connects before the server runs waits in the socket's queue.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(self._app(), log_level="error", lifespan="off"))
        self._serving: asyncio.Task[None] | None = None

    @property
    def root(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def url(self) -> str:
        """The same with /v1."""
        return f"{self.root}/v1"

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        if self._serving is not None:
            await self._serving

    def _app(self) -> Starlette:
        routes = [
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{file_id}/content", self._content),
            Route("/v1/batches", self._make, methods=["POST"]),
            Route("/v1/batches", self._list),
            Route("/v1/batches/{batch_id}", self._retrieve),
            Route("/v1/messages/batches", self._make_messages, methods=["POST"]),
            Route("/v1/messages/batches", self._list_messages),
            Route("/v1/messages/batches/{batch_id}", self._retrieve_messages),
            Route("/v1/messages/batches/{batch_id}/results", self._results_messages),
        ]
        return Starlette(routes=routes)

    async def _upload(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts: Any = email.message_from_bytes(head + await request.body()).get_payload()
        content = next(part for part in parts if part.get_filename()).get_payload(decode=True)
        file_id = f"file-{len(self._files)}"
        self._files[file_id] = content
        return JSONResponse(_file(file_id, len(content)))

    async def _content(self, request: Request) -> Response:
        return Response(self._files[request.path_params["file_id"]])

    async def _make(self, request: Request) -> Response:
        body = await request.json()
        lines = [json.loads(line) for line in self._files[body["input_file_id"]].splitlines()]
        return await self._made(lines, body.get("metadata") or {}, self._openai_shape)

    async def _make_messages(self, request: Request) -> Response:
        return await self._made((await request.json())["requests"], {}, self._anthropic_shape)

    async def _made(self, lines: list[Json], metadata: Json, shape: Any) -> Response:
        script = self.scripts.pop(0) if self.scripts else BatchScript()
        batch = FakeBatch(f"batch_{len(self.batches)}", lines, script, metadata, time.time())
        self.batches.append(batch)
        self.made.set()
        if not script.answers_submission:
            await asyncio.Event().wait()
        if script.submission_status != 200:
            return _error(script.submission_status)
        return JSONResponse(shape(batch))

    async def _list(self, _: Request) -> Response:
        data = [self._openai_shape(batch) for batch in reversed(self.batches)]
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def _list_messages(self, _: Request) -> Response:
        data = [self._anthropic_shape(batch) for batch in reversed(self.batches)]
        return JSONResponse({"data": data, "has_more": False, "first_id": None, "last_id": None})

    async def _retrieve(self, request: Request) -> Response:
        return self._polled(request, self._openai_shape)

    async def _retrieve_messages(self, request: Request) -> Response:
        return self._polled(request, self._anthropic_shape)

    def _polled(self, request: Request, shape: Any) -> Response:
        batch = self._of(request)
        if batch is None:
            return _error(404)
        if batch.script.poll_errors:
            return _error(batch.script.poll_errors.pop(0), batch.script.retry_after_s)
        batch.polled += 1
        self.polled.set()
        return JSONResponse(shape(batch))

    async def _results_messages(self, request: Request) -> Response:
        batch = self._of(request)
        if batch is None:
            return _error(404)
        lines = [_anthropic_line(line, batch.fate(place)) for place, line in enumerate(batch.lines)]
        return Response("".join(f"{json.dumps(line)}\n" for line in lines if line), media_type="application/x-jsonl")

    def _of(self, request: Request) -> FakeBatch | None:
        wanted = request.path_params["batch_id"]
        return next((batch for batch in self.batches if batch.id == wanted), None)

    def _openai_shape(self, batch: FakeBatch) -> Json:
        status, files, errors = "in_progress", {}, None
        if batch.is_ended and batch.script.fails_as_a_whole:
            status = "failed"
            data = [{"line": place + 1, "message": "bad line", "code": "invalid"} for place in batch.script.fates]
            errors = {"object": "list", "data": data}
        elif batch.is_ended:
            status = "expired" if Fate.EXPIRED in batch.script.fates.values() else "completed"
            files = self._write_results(batch)
        counts = {"total": len(batch.lines), "completed": 0, "failed": 0}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-0",
            "completion_window": "24h",
            "status": status,
            "errors": errors,
            "created_at": int(batch.created_s),
            "metadata": batch.metadata,
            "request_counts": counts,
            **files,
        }

    def _write_results(self, batch: FakeBatch) -> Json:
        output, errors = f"file-{batch.id}-output", f"file-{batch.id}-errors"
        written: dict[str, list[str]] = {output: [], errors: []}
        for place, line in enumerate(batch.lines):
            fate = batch.fate(place)
            if fate is Fate.GARBAGE:
                written[output].append('{"custom_id": ')
            elif fate is not Fate.LOST:
                target = output if fate is Fate.ANSWERED else errors
                written[target].append(json.dumps(_openai_line(line, fate)))
        # The provider does not keep the order of the input.
        self._files |= {name: "\n".join(reversed(lines)).encode() for name, lines in written.items()}
        return {"output_file_id": output, "error_file_id": errors}

    def _anthropic_shape(self, batch: FakeBatch) -> Json:
        total = len(batch.lines)
        created = datetime.fromtimestamp(batch.created_s, UTC)
        results = f"{self.root}/v1/messages/batches/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if batch.is_ended else "in_progress",
            "request_counts": {
                "processing": 0 if batch.is_ended else total,
                "succeeded": total if batch.is_ended else 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "created_at": created.isoformat(),
            "expires_at": (created + timedelta(days=1)).isoformat(),
            "ended_at": created.isoformat() if batch.is_ended else None,
            "results_url": results if batch.is_ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
        }


def _file(file_id: str, size: int) -> Json:
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": int(time.time()),
        "filename": "in.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _error(status: int, retry_after_s: float = 0) -> Response:
    headers = {"retry-after": f"{retry_after_s:g}"} if status == 429 else {}
    body = {"type": "error", "error": {"type": "scripted", "code": "scripted", "message": f"scripted {status}"}}
    return JSONResponse(body, status_code=status, headers=headers)


def _openai_line(line: Json, fate: Fate) -> Json:
    found: Json = {"id": f"r-{line['custom_id']}", "custom_id": line["custom_id"], "response": None, "error": None}
    if fate is Fate.EXPIRED:
        return found | {"error": {"code": "batch_expired", "message": "not executed before the window ended"}}
    if fate is Fate.CANCELLED:
        return found | {"error": {"code": "batch_cancelled", "message": "not executed: cancelled"}}
    if fate is not Fate.ANSWERED:
        status = 400 if fate is Fate.REFUSED else 500
        body = {"error": {"message": f"scripted {fate}", "type": "scripted"}}
        return found | {"response": {"status_code": status, "request_id": "r", "body": body}}
    messages = line["body"]["messages"]
    usage: Json = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    completion: Json = {
        "id": "c",
        "object": "chat.completion",
        "model": line["body"]["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": f"answer to {messages[-1]['content']}"},
            }
        ],
        "usage": usage | {"prompt_tokens_details": {"cached_tokens": 64}},
    }
    return found | {"response": {"status_code": 200, "request_id": "r", "body": completion}}


def _anthropic_line(line: Json, fate: Fate) -> Json | None:
    if fate in (Fate.LOST, Fate.GARBAGE):
        return None
    if fate is Fate.EXPIRED:
        return {"custom_id": line["custom_id"], "result": {"type": "expired"}}
    if fate is Fate.CANCELLED:
        return {"custom_id": line["custom_id"], "result": {"type": "canceled"}}
    if fate is not Fate.ANSWERED:
        kind = "invalid_request_error" if fate is Fate.REFUSED else "api_error"
        error = {"type": "error", "error": {"type": kind, "message": f"scripted {fate}"}}
        return {"custom_id": line["custom_id"], "result": {"type": "errored", "error": error}}
    last = line["params"]["messages"][-1]["content"][-1]["text"]
    message = {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": line["params"]["model"],
        "content": [{"type": "text", "text": f"answer to {last}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 36,
            "output_tokens": 5,
            "cache_read_input_tokens": 64,
            "cache_creation_input_tokens": 0,
        },
    }
    return {"custom_id": line["custom_id"], "result": {"type": "succeeded", "message": message}}
