"""Who may write and read what at the broker, from the route table. Pure.

The four services and the administrator share one account, each with a key and permissions of its own. Every upstream
and every person has an account of its own and reaches only the subjects that are imported into it. A permission alone
is not enough for them: it covers the subject of a publish and not its reply subject, on which the broker answers by
itself. Asked to answer a direct get on somebody's subject it stores there what the asker wrote elsewhere. To a request
from another account the answer goes into that account and nowhere else.

Not kept apart so: the services from one another, since their readers are consumers of their own. One of them that is
taken over can forge another's facts by a reply subject.
"""

from __future__ import annotations

from dataclasses import dataclass

from opswire.contracts.route import Route
from opswire.contracts.routes import (
    CHANGES,
    DEADLINE_SCHEDULE_WILDCARD,
    DEADLINES_DUE,
    FACTS,
    NOT_STORED,
    OUTPUTS,
    REQUEST_SUBMITTED,
    ROUTES,
)

UPSTREAM = "upstream"
PERSON = "person"
SERVICES = tuple(sorted({name for route in ROUTES for name in route.senders} - {UPSTREAM, PERSON}))
OUTPUTS_STREAM = f"OBJ_{OUTPUTS}"
KEEPER = "executor"
"""The service that keeps whole outputs in the object store."""
STREAMS = (*sorted({route.stream for route in ROUTES} - {NOT_STORED}), OUTPUTS_STREAM)
ASKERS = {"cache": ("warmer", "canary")}
"""Services that also ask, and as which upstreams: requests that warm the caches, and those that try them."""
_API = "$JS.API"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects, with wildcards. What is not named is refused; `publish_denied` counts before `publish`.

    `streamed` are those of `publish` that are answered by more than one message.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    publish_denied: tuple[str, ...] = ()
    streamed: tuple[str, ...] = ()


def inbox_prefix(public: str) -> str:
    """Where the holder of a public key is answered; nobody else in its account may listen there."""
    return f"_INBOX_{public[1:13]}"


def service(name: str, public: str) -> Permissions:
    """A service: sends what the table says, reads the streams that it takes part in, settles its own deliveries.

    Raises ValueError for a name that is in no route.
    """
    if name not in SERVICES:
        raise ValueError(f"{name!r} is no service of the route table")
    asking = [_outside(UPSTREAM, source=source) for source in ASKERS.get(name, ())]
    parts = [route for route in ROUTES if name in (*route.senders, *_readers(route))]
    parts += [REQUEST_SUBMITTED] if asking else []
    streams = [stream for stream in STREAMS if any(route.stream == stream for route in parts)]
    own = {consumer.durable for route in ROUTES for consumer in route.consumers if consumer.service == name}
    publish = [_written(route) for route in ROUTES if name in route.senders]
    publish += [subject for part in asking for subject in part.publish]
    if name == KEEPER:
        # What is put again replaces what was there: nats-py purges the old one.
        publish += [f"$O.{OUTPUTS}.>", *_asking(OUTPUTS_STREAM), f"{_API}.STREAM.PURGE.{OUTPUTS_STREAM}"]
    denied: list[str] = []
    for stream in streams:
        publish += [*_asking(stream), *_reading(stream)]
        for durable in _durables(stream):
            denied += [f"{_API}.CONSUMER.CREATE.{stream}.{durable}", f"{_API}.CONSUMER.CREATE.{stream}.{durable}.>"]
            denied += _not_own(stream, durable)
            if durable in own:
                publish.append(f"$JS.ACK.{stream}.{durable}.>")
                denied.remove(f"{_API}.CONSUMER.MSG.NEXT.{stream}.{durable}")
    heard = [route.wildcard for route in parts if name in route.watchers]
    heard += [subject for part in asking for subject in part.subscribe]
    return Permissions(tuple(publish), (f"{inbox_prefix(public)}.>", *heard), tuple(denied))


def administrator(public: str) -> Permissions:
    """Makes streams and consumers, reads what is stored, drives again what was parked; deletes and purges nothing."""
    publish = [REQUEST_SUBMITTED.wildcard]
    publish += [route.wildcard for route in ROUTES if route.stream == CHANGES and route.consumers]
    # nats-py finds a whole output's stream by name and leaves its consumer unnamed; no durable is on that stream.
    publish += [f"{_API}.STREAM.NAMES", f"{_API}.CONSUMER.CREATE.{OUTPUTS_STREAM}"]
    denied: list[str] = []
    for stream in STREAMS:
        publish += [*_asking(stream), *_reading(stream)]
        publish += [f"{_API}.STREAM.CREATE.{stream}", f"{_API}.STREAM.UPDATE.{stream}"]
        for durable in _durables(stream):
            denied += _not_own(stream, durable)
    return Permissions(tuple(publish), (f"{inbox_prefix(public)}.>",), tuple(denied))


def upstream(source: str) -> Permissions:
    """An upstream: asks and cancels as `source`, and reads what it sent and what came of it."""
    return _outside(UPSTREAM, source=source)


def person(public: str) -> Permissions:
    """A person: approves with this key, resolves, sets the mode; reads every fact, to see what is to be approved."""
    own = _outside(PERSON, approver=public)
    facts = f"{_API}.DIRECT.GET.{FACTS}"
    return Permissions((*own.publish, facts), own.subscribe, streamed=(facts,))


def operator(public: str) -> Permissions:
    """Who owns the whole of a small system: administrator, every upstream and every person at once. No service."""
    parts = (administrator(public), _outside(UPSTREAM), _outside(PERSON))
    return Permissions(
        tuple(dict.fromkeys(subject for part in parts for subject in part.publish)),
        tuple(dict.fromkeys(subject for part in parts for subject in part.subscribe)),
        parts[0].publish_denied,
    )


def _outside(role: str, **fixed: str) -> Permissions:
    sent = [route for route in ROUTES if role in route.senders]
    watched = [route for route in ROUTES if role in route.watchers]
    stored = [route for route in (*sent, *watched) if route.stream != NOT_STORED]
    gets = dict.fromkeys(f"{_API}.DIRECT.GET.{route.stream}.{_filled(route, fixed)}" for route in stored)
    return Permissions((*(_filled(route, fixed) for route in sent), *gets), tuple(_filled(r, fixed) for r in watched))


def _filled(route: Route, fixed: dict[str, str]) -> str:
    tokens = route.template.split(".")
    return ".".join(fixed.get(token[1:-1], "*") if token.startswith("{") else token for token in tokens)


def _readers(route: Route) -> tuple[str, ...]:
    return (*(consumer.service for consumer in route.consumers), *route.watchers)


def _written(route: Route) -> str:
    # The tick itself is published by the broker, when what was scheduled is due.
    return DEADLINE_SCHEDULE_WILDCARD if route is DEADLINES_DUE else route.wildcard


def _durables(stream: str) -> list[str]:
    return [consumer.durable for route in ROUTES if route.stream == stream for consumer in route.consumers]


def _not_own(stream: str, durable: str) -> list[str]:
    return [f"{_API}.CONSUMER.{what}.{stream}.{durable}" for what in ("DELETE", "MSG.NEXT")]


def _asking(stream: str) -> list[str]:
    """How a stream and its consumers stand, and what it holds."""
    return [
        f"{_API}.STREAM.INFO.{stream}",
        f"{_API}.CONSUMER.INFO.{stream}.*",
        f"{_API}.STREAM.MSG.GET.{stream}",
        f"{_API}.DIRECT.GET.{stream}",
        f"{_API}.DIRECT.GET.{stream}.>",
    ]


def _reading(stream: str) -> list[str]:
    """A consumer for oneself. Its name is in the subject: without one the body could name somebody else's."""
    return [
        f"{_API}.CONSUMER.CREATE.{stream}.>",
        f"{_API}.CONSUMER.DELETE.{stream}.*",
        f"{_API}.CONSUMER.MSG.NEXT.{stream}.*",
        f"$JS.FC.{stream}.>",
    ]
