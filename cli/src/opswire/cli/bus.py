"""Opswire's streams as any upstream sees them: plain nats-py, nothing of the services.

Outcomes are read from the stream, never from core NATS: a core subscriber also sees messages that the stream refused.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError, NoServersError
from nats.errors import TimeoutError as NatsTimeoutError
from opswire.chassis.stream_reader import reader_subject
from opswire.cli.broker_seed import ADVICE as ADVICE_KEY
from opswire.cli.broker_seed import options_for
from opswire.cli.errors import CommandError, NotRunningError, UsageError
from opswire.cli.waking import Feed, woken
from opswire.contracts.routes import FACTS, PROGRESS_REPORTED, REQUEST_FINISHED, REQUEST_SUBMITTED

CONNECT_TIMEOUT_S = 5.0
NATS_PORT = 4222
ADVICE_TAKEN = "another request id: --id, or request_id in the file"
ADVICE_AWAY = "opswire status; where another machine has it: start it there, or correct OPSWIRE_NATS_URL"
REPLY_TIMEOUT_S = 5.0
LOOK_AGAIN_S = 1.0
BATCH_MESSAGES = 256
WATCH_IDLE_S = 60
STORE_AGAIN_S = 0.1
# The broker has one code for every refusal of its store; only the words tell a taken subject from a full stream.
STORE_REFUSED = 10077
NO_ANSWER = "nobody answers there; there is no such stream, or this key may not"
# Told in an account that reaches single subjects only, as those of upstreams and people do.
NO_JETSTREAM = 10039
SUBJECT_TAKEN = "per subject"


@dataclass(frozen=True, slots=True)
class Stored:
    """One message as a stream holds it. `at_ns` is when the broker stored it, in nanoseconds since 1970."""

    subject: str
    sequence: int
    at_ns: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker's word that a message is stored. `repeated` when the same was stored before."""

    sequence: int
    repeated: bool


class _TooManySubjectsError(Exception):
    """The broker answers for 1,024 subjects at a time: anybody who may send approvals can store more on one request."""


class ConflictError(CommandError):
    """The request id is taken by a request with other bytes."""

    code = "id_conflict"


def parse_time_ns(text: str) -> int:
    """Nanoseconds since 1970 of the broker's RFC 3339 time, which has up to nine decimals."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


def _status(message: Msg) -> str | None:
    """The broker's word in place of a message: 503 no such stream, 404 nothing there, 204 that was all.

    A stored message comes with its own headers, among them perhaps an upstream's `Status`; the broker's word is the one
    without a sequence.
    """
    headers = message.headers or {}
    return None if "Nats-Sequence" in headers else headers.get("Status")


def _stored(message: Msg) -> Stored:
    """A message of a stream. Subject, sequence or time are empty or 0 where an upstream's header hides the broker's."""
    headers = dict(message.headers or {})
    own = {name: value for name, value in headers.items() if not name.startswith("Nats-") or name == "Nats-Msg-Id"}
    try:
        at_ns = parse_time_ns(headers.get("Nats-Time-Stamp", ""))
    except ValueError:
        at_ns = 0
    sequence = headers.get("Nats-Sequence", "")
    number = int(sequence) if sequence.isascii() and sequence.isdigit() else 0
    return Stored(headers.get("Nats-Subject", ""), number, at_ns, message.data, own)


def place_of(url: str) -> str:
    """Host and port of a broker's URL, fit for an error: the rest may hold a password. Raises ValueError."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    if not parts.hostname:
        raise ValueError("no host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or NATS_PORT}"


@asynccontextmanager
async def connected(url: str, seed_file: Path | None = None) -> AsyncIterator[Bus]:
    """A connection to the broker, closed at the end; with a key where there is one.

    Raises NotRunningError when nothing answers at `url`, UsageError when it is none; neither quotes it whole.
    """

    refusals: list[str] = []

    async def quiet(error: Exception) -> None:
        """A lost connection shows in the request that was under way; nats-py would print a trace besides."""
        if "violation" in str(error).lower():
            refusals.append(str(error))

    try:
        place = place_of(url)
    except ValueError:
        raise UsageError("the broker's URL cannot be read", "OPSWIRE_NATS_URL=nats://HOST:PORT") from None
    options = options_for(url, seed_file)
    try:
        client = await asyncio.wait_for(
            nats.connect(
                url,
                connect_timeout=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                error_cb=quiet,
                name="opswire",
                **options,
            ),
            CONNECT_TIMEOUT_S,
        )
    except (NoServersError, TimeoutError, OSError):
        if refusals:
            what = "refuses this key" if options else "asks for a key"
            raise CommandError(f"the broker at {place} {what}", ADVICE_KEY) from None
        raise NotRunningError(f"no broker answers at {place}", ADVICE_AWAY) from None
    try:
        yield Bus(client, refusals)
    finally:
        await client.close()


class Bus:
    """Publishes requests and reads streams."""

    def __init__(self, client: Client, refusals: list[str] | None = None) -> None:
        """`refusals` grows by what the broker says that this key may not."""
        self.client = client
        self._refusals = [] if refusals is None else refusals

    async def api(self, subject: str, body: object | None = None) -> dict[str, Any]:
        """Ask JetStream; the answer may hold `error`. Raises NotRunningError when it does not answer."""
        payload = b"" if body is None else json.dumps(body).encode()
        try:
            reply = await self.client.request(f"$JS.API.{subject}", payload, timeout=REPLY_TIMEOUT_S)
        except (NatsTimeoutError, NoRespondersError) as error:
            raise NotRunningError("the broker's JetStream does not answer", "opswire doctor") from error
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    async def store(self, subject: str, body: bytes, headers: dict[str, str], until: float) -> Accepted:
        """Publish until the broker acknowledges or `until` (monotonic) has passed.

        An attempt without a word may have been stored: it is repeated with the same `Nats-Msg-Id`. Raises ConflictError
        when other bytes stand on the subject, NotRunningError when the broker stays away or its stream stays full,
        CommandError when it refuses for another reason.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                reply = await self.client.request(subject, body, timeout=REPLY_TIMEOUT_S, headers=headers)
            except (NatsTimeoutError, NoRespondersError) as error:
                if any(f'"{subject.lower()}"' in refusal.lower() for refusal in self._refusals):
                    raise CommandError(f"this key may not publish on {subject}", ADVICE_KEY) from error
                if time.monotonic() > until and isinstance(error, NoRespondersError):
                    raise NotRunningError(f"nothing is stored on {subject}: {NO_ANSWER}", "opswire doctor") from error
                if time.monotonic() > until:
                    raise NotRunningError(
                        f"the broker did not acknowledge {subject}; it may be stored or not",
                        "the same command with the same --id: it cannot be accepted twice",
                    ) from error
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            answer = json.loads(reply.data)
            if "error" not in answer:
                # On a later attempt the duplicate is our own earlier one.
                return Accepted(answer["seq"], repeated=bool(answer.get("duplicate")) and attempts == 1)
            standing = await self._standing(subject, answer["error"])
            if standing is not None and standing.body != body:
                raise ConflictError(f"{subject} holds other bytes already", ADVICE_TAKEN)
            if standing is not None:
                return Accepted(standing.sequence, repeated=True)
            if time.monotonic() > until:
                said = answer["error"].get("description")
                raise NotRunningError(
                    f"the stream of {subject} cannot store (full?): {said}", "opswire doctor, then the same command"
                )
            await asyncio.sleep(STORE_AGAIN_S)

    async def _standing(self, subject: str, refusal: dict[str, Any]) -> Stored | None:
        """What stands on a subject whose message was refused; None where another attempt may succeed.

        Raises CommandError when it would be refused again.
        """
        description = str(refusal.get("description"))
        if refusal.get("err_code") != STORE_REFUSED:
            raise CommandError(f"the broker refuses {subject}: {description}", "opswire doctor")
        return await self.last(FACTS, subject) if SUBJECT_TAKEN in description else None

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The newest message on a subject, or None."""
        found = await self._direct(f"{stream}.{subject}", None)
        return found[0] if found else None

    async def newest_of_each(self, stream: str, pattern: str) -> list[Stored]:
        """The newest message of every subject that matches, in the stream's order."""
        try:
            return await self._direct(stream, {"multi_last": [pattern]})
        except _TooManySubjectsError:
            newest = {message.subject: message async for message in self.everything(stream, pattern)}
            return sorted(newest.values(), key=lambda message: message.sequence)

    async def everything(self, stream: str, pattern: str, first_sequence: int = 1) -> AsyncIterator[Stored]:
        """Every message that matches, in order, from `first_sequence` to the present end."""
        sequence = first_sequence
        while True:
            batch = await self._direct(stream, {"seq": sequence, "next_by_subj": pattern, "batch": BATCH_MESSAGES})
            for message in batch:
                yield message
            if len(batch) < BATCH_MESSAGES:
                return
            # Onwards in any case: a sequence may be one that could not be read.
            sequence = max(sequence, *(message.sequence for message in batch)) + 1

    async def _direct(self, stream: str, query: dict[str, Any] | None) -> list[Stored]:
        """A direct get: one reply a message, and where many are asked for an empty one at the end.

        Without a query `stream` goes on with the one subject that is asked for: some keys may ask for no other.
        """
        many = query is not None
        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox)
        found: list[Stored] = []
        try:
            await self.client.publish(
                f"$JS.API.DIRECT.GET.{stream}", b"" if query is None else json.dumps(query).encode(), reply=inbox
            )
            while True:
                message = await subscription.next_msg(timeout=REPLY_TIMEOUT_S)
                status = _status(message)
                if status == "503":
                    raise NotRunningError(f"{stream} cannot be read: {NO_ANSWER}", "opswire provision")
                if status == "413":
                    raise _TooManySubjectsError
                if status is not None:
                    return found
                found.append(_stored(message))
                if not many:
                    return found
        except NatsTimeoutError as error:
            raise NotRunningError(f"the stream {stream} does not answer", "opswire doctor") from error
        finally:
            await subscription.unsubscribe()

    async def facts(self, source: str, request_id: str) -> list[Stored]:
        """All facts of one request, in the order in which the broker stored them."""
        return await self.newest_of_each(FACTS, f"opswire.v1.{source}.{request_id}.>")

    @asynccontextmanager
    async def following(self, stream: str, pattern: str, **where: object) -> AsyncIterator[Feed]:
        """A subscription fed from the stream by a consumer of its own, which the broker forgets afterwards.

        `where` adds to the consumer's settings, such as `opt_start_seq`. A restart of the broker ends the feed without
        a word: look into the stream again from time to time.
        """
        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox)
        config: dict[str, object] = {
            "deliver_subject": inbox,
            "filter_subject": pattern,
            "ack_policy": "none",
            "deliver_policy": "all",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": WATCH_IDLE_S * 1_000_000_000,
        }
        create = reader_subject(stream).removeprefix("$JS.API.")
        answer = await self.api(create, {"stream_name": stream, "config": config | where})
        if "error" in answer:
            await subscription.unsubscribe()
            if answer["error"].get("err_code") != NO_JETSTREAM:
                raise NotRunningError(f"{stream}: {answer['error'].get('description')}", "opswire provision")
            async with self._waking(stream, pattern) as feed:
                yield feed
            return
        try:
            yield subscription
        finally:
            await subscription.unsubscribe()
            # Not waited for: the broker forgets an idle consumer by itself.
            await self.client.publish(f"$JS.API.CONSUMER.DELETE.{stream}.{answer['name']}")

    @asynccontextmanager
    async def _waking(self, stream: str, pattern: str) -> AsyncIterator[Feed]:
        """For a key that may make no consumer."""

        async def look(subject: str) -> Msg | None:
            try:
                stored = await self.last(stream, subject)
            except NotRunningError:
                return None  # the broker is away for now; it is looked again
            if stored is None:
                return None
            headers = stored.headers | {"Nats-Sequence": str(stored.sequence)}
            return Msg(self.client, subject, "", stored.body, headers)

        subscription, feed = await woken(self.client, pattern, look)
        try:
            yield feed
        finally:
            await subscription.unsubscribe()

    async def finish(self, feed: Feed, source: str, request_id: str, until: float) -> bytes | None:
        """Wait for the one finish of a request; None when `until` (monotonic) passed without it."""
        subject = finished_subject(source, request_id)
        while time.monotonic() < until:
            try:
                message = await feed.next_msg(timeout=min(LOOK_AGAIN_S, max(0.01, until - time.monotonic())))
                return message.data
            except NatsTimeoutError:
                found = await self._last_if_there(subject)
            if found is not None:
                return found.body
        return None

    async def _last_if_there(self, subject: str) -> Stored | None:
        try:
            return await self.last(FACTS, subject)
        except NotRunningError:
            return None  # the broker is away for now; the caller looks again


def submitted_subject(source: str, request_id: str) -> str:
    """Where a request is published."""
    return REQUEST_SUBMITTED.subject(source=source, request_id=request_id)


def finished_subject(source: str, request_id: str) -> str:
    """Where its outcome appears."""
    return REQUEST_FINISHED.subject(source=source, request_id=request_id)


def progress_subject(source: str, request_id: str) -> str:
    """Where its progress is told."""
    return PROGRESS_REPORTED.subject(source=source, request_id=request_id)
