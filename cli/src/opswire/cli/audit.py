"""The audit trail as it lies in the broker: read in order, and what a person accepted about lost ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import orjson
from nats.errors import Error as NatsError
from opswire.chassis.errors import RetryableError
from opswire.chassis.high_water import HighWater, Loss
from opswire.chassis.stream_guard import StreamGuard
from opswire.chassis.stream_reader import StoredMessage, StreamReader
from opswire.chassis.wire import WireClient
from opswire.cli.audit_check import Report, verify_trail
from opswire.cli.broker_seed import options_for
from opswire.cli.bus import ADVICE_AWAY, CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S, place_of
from opswire.cli.errors import CommandError, NotRunningError, UsageError
from opswire.contracts.audit_recorded import AuditEntry, AuditRecorded
from opswire.contracts.routes import AUDIT, FACTS

ADVICE_DIRECTORY = "--anchors DIRECTORY, where the executor keeps them: audit/ in its state directory"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry, and the record of the stream that holds it."""

    record: int
    entry: AuditEntry

    def as_json(self) -> dict[str, Any]:
        """The entry as stored, with its record's sequence."""
        return {"record": self.record, **self.entry.model_dump(mode="json")}


class Trail:
    """The broker's streams as the audit trail needs them."""

    def __init__(self, client: WireClient) -> None:
        self._client = client

    async def ask(self, subject: str, body: object) -> dict[str, Any]:
        """One question to JetStream; the answer may hold `error`."""
        reply = await self._client.request(subject, orjson.dumps(body), timeout=REPLY_TIMEOUT_S)
        answer: dict[str, Any] = orjson.loads(reply.data)
        return answer

    async def messages(
        self, stream: str, filters: tuple[str, ...], first_sequence: int
    ) -> AsyncIterator[StoredMessage]:
        """Every message from `first_sequence` to the present end, in order."""
        reader = StreamReader(self._client, stream, filters, first_sequence)
        try:
            async for batch in reader.to_the_end():
                for message in batch:
                    yield message
        finally:
            await reader.close()

    async def last_sequence(self, stream: str) -> int:
        """The sequence of the newest message. Raises NotRunningError when there is no such stream."""
        info = await self.ask(f"$JS.API.STREAM.INFO.{stream}", {})
        if "error" in info:
            raise NotRunningError(f"there is no stream {stream}", "opswire provision")
        return int(info["state"]["last_seq"])

    async def entries(self, first_record: int = 1) -> AsyncIterator[Recorded]:
        """Every entry that can be read, oldest first."""
        async for message in self.messages(AUDIT, (">",), first_record):
            try:
                record = AuditRecorded.from_bytes(message.body)
            except ValueError:
                continue  # `verify` says so
            for entry in record.entries:
                yield Recorded(message.sequence, entry)

    async def newest(self, limit: int) -> list[Recorded]:
        """The newest `limit` entries, oldest of them first."""
        first = max(1, await self.last_sequence(AUDIT) - limit + 1)  # a record holds one entry at least
        return [entry async for entry in self.entries(first)][-limit:]

    async def verify(self, directory: Path) -> Report:
        """Recompute the trail and compare it with the streams and the anchors in `directory`."""
        await self.last_sequence(AUDIT)
        return await verify_trail(self.messages, directory)

    async def accept_losses(self, directory: Path, person: str, reason: str) -> list[Loss]:
        """Accept where every stream stands that is behind its mark; what was accepted, nothing when none is behind."""
        high_water = HighWater(directory)
        high_water.load()
        guard = StreamGuard(self.ask, high_water)
        report = await self.verify(directory)
        accepted: list[Loss] = []
        for stream in sorted({*high_water.streams, *report.positions, FACTS, AUDIT}):
            place = await guard.place(stream)
            if not high_water.missing(stream, place) and report.positions.get(stream, 0) <= place.last.sequence:
                continue
            agreed = min(report.agreed.get(stream, place.last.sequence), place.last.sequence)
            accepted.append(high_water.accept(stream, place.last, person, reason, agreed))
        return accepted


def audit_directory(state_dir: Path, given: Path | None) -> Path:
    """Where anchors and marks lie. Raises UsageError when the directory that was named does not exist."""
    if given is not None and not given.is_dir():
        raise UsageError(f"there is no directory {given}", ADVICE_DIRECTORY)
    return given or state_dir / "audit"


@contextmanager
def lines_to(path: Path | None) -> Iterator[Callable[[object], None]]:
    """Writes each value as a line of JSON to the file, which its owner alone can read, or to standard output.

    Raises CommandError where the file cannot be written.
    """

    if path is None:
        yield lambda value: _write(sys.stdout, value)
        return
    with _cannot_be_written(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    # By the line: a full disk shows in the line that met it.
    with os.fdopen(descriptor, "w", encoding="utf-8", buffering=1) as file:

        def write(value: object) -> None:
            with _cannot_be_written(path):
                _write(file, value)

        yield write


def _write(file: TextIO, value: object) -> None:
    file.write(json.dumps(value, separators=(",", ":")) + "\n")


@contextmanager
def _cannot_be_written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", "another --to FILE") from error


@asynccontextmanager
async def trail_at(url: str) -> AsyncIterator[Trail]:
    """The trail behind a broker's URL, which is never quoted whole. Raises NotRunningError or UsageError."""

    async def quiet(_: Exception) -> None:
        """A lost connection shows in the request that was under way."""

    try:
        place = place_of(url)
    except ValueError:
        raise UsageError("the broker's URL cannot be read", "OPSWIRE_NATS_URL=nats://HOST:PORT") from None
    client = WireClient()
    options: dict[str, Any] = {"connect_timeout": 2, "max_reconnect_attempts": 0, "error_cb": quiet} | options_for(url)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.connect(url, name="opswire", **options)
    except (NatsError, OSError, TimeoutError):
        raise NotRunningError(f"no broker answers at {place}", ADVICE_AWAY) from None
    try:
        yield Trail(client)
    except (RetryableError, TimeoutError, NatsError) as error:
        raise NotRunningError(f"the broker does not answer: {error}", "opswire doctor") from error
    except OSError as error:
        raise CommandError(f"a file beside the trail cannot be used: {error}", ADVICE_DIRECTORY) from error
    finally:
        await client.close()
