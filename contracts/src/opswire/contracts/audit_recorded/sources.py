"""What the audit trail records, and what it says of a message: the same for whoever writes it and whoever checks it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from opswire.contracts.audit_recorded.chain import digest_of, headers_digest_of
from opswire.contracts.audit_recorded.v1 import SUBJECT_CHARACTERS_MAX
from opswire.contracts.envelope import HEADER_SOURCE, HEADER_TYPE, Envelope
from opswire.contracts.route import Route
from opswire.contracts.routes import ASSET_CHANGED, CHANGES, FACTS, MESSAGE_PARKED, MODE_CHANGED, PARKED, ROUTES

SOURCES: Mapping[str, tuple[str, ...]] = {
    FACTS: ("opswire.v1.>",),
    CHANGES: (ASSET_CHANGED.wildcard, MODE_CHANGED.wildcard),
    PARKED: (MESSAGE_PARKED.wildcard,),
}
"""The streams that are recorded, each with the subjects that are. Locks and invalidations change nothing outside."""
KEPT_WHOLE = frozenset({FACTS})
"""Streams in which nothing is replaced: a message that was recorded is there until it expires."""
_FACT_PREFIX = ["opswire", "v1"]
_FACT_TOKENS = 4
UNKNOWN_ACTOR = "unknown"
_PERSON = re.compile(r"U[A-Z2-7]{55}")
_ACTOR_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Observed:
    """What an entry says of one message, before it has a number and a hash."""

    stream: str
    sequence: int
    subject: str
    type: str
    body_digest: str
    headers_digest: str
    actor: str
    at_ns: int


def observe(
    stream: str, sequence: int, subject: str, at_ns: int, body: bytes, headers: Mapping[str, str] | None
) -> Observed:
    """What the trail says of a stored message. Never raises: a message that nobody can read is recorded too."""
    type_name, source = _type_and_source(headers or {})
    return Observed(
        stream,
        sequence,
        subject[:SUBJECT_CHARACTERS_MAX] or "-",
        type_name[:256],
        digest_of(body),
        headers_digest_of(headers),
        actor_of(subject, source, body)[:_ACTOR_CHARACTERS_MAX],
        at_ns,
    )


def _type_and_source(headers: Mapping[str, str]) -> tuple[str, str]:
    """What the envelope says of itself, read at once where it is spelt as we spell it."""
    type_name, source = headers.get(HEADER_TYPE), headers.get(HEADER_SOURCE)
    if type_name is None or source is None or "%" in type_name or "%" in source:
        envelope = Envelope.from_headers(headers)
        return envelope.type or "", envelope.source or ""
    return type_name, source


def actor_of(subject: str, source: str | None, body: bytes) -> str:
    """Who wrote a message: whom the broker alone lets write there, or the person whose key the message names.

    Where several services may write, the envelope tells which; a key is what the message says, its signature is checked
    by whoever acts on it.
    """
    tokens = subject.split(".")
    is_fact = tokens[:2] == _FACT_PREFIX and len(tokens) > _FACT_TOKENS
    route = _route_of(".".join(("*", "*", "*", "*", *tokens[4:])) if is_fact else subject, is_fact)
    if route is None:
        return UNKNOWN_ACTOR
    if route.senders == ("upstream",):
        return route.variables(subject).get("source") or UNKNOWN_ACTOR
    if route.senders == ("person",):
        return route.variables(subject).get("approver") or _person_in(body)
    service = (source or "").removeprefix("/opswire/")
    return service if service in route.senders else "|".join(route.senders)


@lru_cache(maxsize=1_024)
def _route_of(subject: str, is_fact: bool) -> Route | None:
    """The route of a subject; a fact's comes without its request, so that requests share one place of the memory."""
    tokens = subject.split(".")
    for parts, route in _templates():
        fixed = [None, None, None, None, *parts[4:]] if is_fact and route.stream == FACTS else parts
        if len(fixed) == len(tokens) and all(
            part is None or part == token for part, token in zip(fixed, tokens, strict=True)
        ):
            return route
    return None


@cache
def _templates() -> list[tuple[list[str | None], Route]]:
    """The subjects of recorded messages by token; None stands for any."""
    recorded = [route for route in ROUTES if route.stream in SOURCES]
    return [([None if t.startswith("{") else t for t in route.template.split(".")], route) for route in recorded]


def _person_in(body: bytes) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "person"
    person = value.get("person") if isinstance(value, dict) else None
    return person if isinstance(person, str) and _PERSON.fullmatch(person) else "person"
