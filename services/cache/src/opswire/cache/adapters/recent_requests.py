"""What was asked most often of late, read from the facts: only what could change nothing when it is asked again."""

from __future__ import annotations

import asyncio
from collections import Counter

from opswire.chassis.body import read_body
from opswire.chassis.errors import PoisonError
from opswire.chassis.facts import Facts
from opswire.chassis.stream_reader import StoredMessage, StreamReader
from opswire.chassis.wire import WireClient
from opswire.contracts.intent_resolved import IntentResolved
from opswire.contracts.request_submitted import RequestSubmitted
from opswire.contracts.routes import FACTS, INTENT_RESOLVED, REQUEST_SUBMITTED
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from pydantic import ValidationError

FACTS_BACK_MAX = 100_000
"""How far back in the stream is looked: eight facts or so belong to one request."""
READ_WITHIN_S = 20.0
NEVER_AGAIN = frozenset({IntentName.SECRET_READ, IntentName.OUT_OF_SCOPE})


class RecentRequests:
    """One per process, after the connection. `left_out` are sources whose requests do not count: our own."""

    def __init__(self, client: WireClient, facts: Facts, left_out: frozenset[str]) -> None:
        self._client = client
        self._facts = facts
        self._left_out = left_out

    async def most_frequent(self, count: int) -> list[str]:
        """At most `count` texts, the most frequent first, whose intent only reads. Raises nats' errors or ours."""
        texts: Counter[str] = Counter()
        example: dict[str, dict[str, str]] = {}
        for variables, text in await self._submitted():
            texts[text] += 1
            example[text] = variables
        found: list[str] = []
        for text, _ in texts.most_common():
            if len(found) == count:
                break
            if await self._only_reads(example[text]):
                found.append(text)
        return found

    async def _submitted(self) -> list[tuple[dict[str, str], str]]:
        """Key and text of each request in words, oldest first."""
        last = (await self._client.jetstream().stream_info(FACTS)).state.last_seq
        found: list[tuple[dict[str, str], str]] = []
        reader = StreamReader(self._client, FACTS, (REQUEST_SUBMITTED.wildcard,), max(1, last - FACTS_BACK_MAX))
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                async for batch in reader.to_the_end():
                    found += [each for message in batch for each in self._read(message)]
        finally:
            await reader.close()
        return found

    def _read(self, message: StoredMessage) -> list[tuple[dict[str, str], str]]:
        variables = REQUEST_SUBMITTED.variables(message.subject)
        if variables["source"] in self._left_out:
            return []
        try:
            read_body(message.body)
            text = RequestSubmitted.from_bytes(message.body).text
        except (PoisonError, ValidationError):
            return []  # parked by whoever was to answer it
        return [(variables, text.strip())] if text else []

    async def _only_reads(self, variables: dict[str, str]) -> bool:
        """Whether the request was understood as one that reads."""
        fact = await self._facts.read(INTENT_RESOLVED.subject(**variables))
        if fact is None:
            return False
        try:
            name = IntentResolved.from_bytes(fact.body).intent.name
        except ValidationError:
            return False
        return name not in NEVER_AGAIN and INTENTS[name].effect is Effect.READ
