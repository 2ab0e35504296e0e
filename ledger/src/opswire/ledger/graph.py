"""Spans as a graph that can be walked whatever was recorded: no duplicates, no negative times, orphans hung up again.

The result does not depend on the order of the input, and adding a constant to all times only moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from opswire.ledger.adoption import adopt
from opswire.ledger.classify import Phases, own_stage, phases_of
from opswire.ledger.model import Span
from opswire.ledger.skew import ONE_CLOCK, skew_of
from opswire.ledger.stages import Stage

STORED_TIME = "messaging.nats.message.stored_time"
DELIVERY_ATTEMPT = "messaging.nats.message.delivery_attempt"
_STREAM_SEQUENCE = "messaging.nats.stream.sequence"
_CONSUMER_GROUP = "messaging.consumer.group.name"

Key = tuple[str, str]


class Node:
    """One span in its place. `parent` is set for blocking and detached children, `producer` for hops.

    `start` and `end` are on the clock of the host that accepted the request, as far as the clocks can be made to agree.
    """

    __slots__ = (
        "adopted",
        "approval",
        "children",
        "clipped",
        "end",
        "hop",
        "key",
        "orphan",
        "parent",
        "phases",
        "producer",
        "span",
        "stage",
        "start",
        "used",
    )

    def __init__(self, span: Span) -> None:
        self.span = span
        self.key: Key = (span.trace_id, span.span_id)
        self.start = span.start_ns
        self.end = max(span.start_ns, span.end_ns)
        self.parent: Node | None = None
        self.producer: Node | None = None
        self.children: Sequence[Node] = ()
        self.stage = own_stage(span)
        self.phases: Phases = phases_of(span)
        self.hop = False
        self.clipped = False
        self.orphan = False
        self.adopted = False
        self.approval = False
        self.used = False

    @property
    def depends(self) -> Node | None:
        """What it came from: its parent, or the sender of its message."""
        return self.producer if self.hop else self.parent


class Graph:
    """All spans of one request. `nodes` are ordered by time, then id."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.by_key, self.duplicates = _unique(spans)
        found = self.by_key.values()
        self.reversed_times = sum(1 for node in found if node.span.end_ns < node.span.start_ns)
        for node in found:
            self._place(node)
        self._agree_on_time()
        self.nodes = sorted(found, key=_by_time)
        self.missing_parents = sum(1 for node in self.nodes if node.orphan)
        orphans = {id(node) for node in self.nodes if node.orphan and not node.hop}
        if orphans:
            adopt(self.nodes, orphans)
        children: dict[Node, list[Node]] = {}
        for node in self.nodes:
            if node.parent is not None:
                children.setdefault(node.parent, []).append(node)
                # Emitted at decision time with an explicit start: it does not block the span that records it.
                node.approval = node.stage is Stage.APPROVAL_WAIT and node.start < node.parent.start
            elif node.stage is Stage.APPROVAL_WAIT:
                node.approval = True
        for parent, below in children.items():
            parent.children = below
        _inherit_stages(self.nodes)
        _known_inside(self.nodes)
        self.attempts = _attempts(self.nodes)

    def release(self) -> None:
        """Let the nodes go of each other: without circles all is freed at once, and not when a collection comes."""
        for node in self.nodes:
            node.children = ()
            node.parent = node.producer = None

    def linked(self, node: Node, wanted: Callable[[Node], bool]) -> Node | None:
        """The first span, in the order recorded, that `node` links to and that is wanted."""
        for link in node.span.links:
            found = self.by_key.get((link.trace_id, link.span_id))
            if found is not None and found is not node and wanted(found):
                return found
        return None

    def earlier_attempts(self, node: Node) -> list[Node]:
        """The deliveries of the same message to the same consumer before this one, latest first."""
        group = self.attempts.get(_message(node), ())
        number = whole(node.span.attributes.get(DELIVERY_ATTEMPT))
        earlier = []
        for other in group:
            other_number = whole(other.span.attributes.get(DELIVERY_ATTEMPT))
            if other is node:
                continue
            if number is None or other_number is None or number == other_number:
                if _by_time(other) < _by_time(node):
                    earlier.append(other)
            elif other_number < number:
                earlier.append(other)
        return earlier[::-1]

    def _place(self, node: Node) -> None:
        span = node.span
        parent = self.by_key.get((span.trace_id, span.parent_id)) if span.parent_id else None
        if parent is node:
            parent = None
        if span.kind == "CONSUMER":
            producer = parent if parent is not None and parent.span.kind == "PRODUCER" else None
            producer = producer or self.linked(node, _is_producer)
            if producer is not None or parent is None:
                node.hop, node.producer = True, producer
                # The sender of the first message is the upstream, whose spans are its own affair.
                lost = bool(span.parent_id) and producer is None
                node.orphan = lost and not destination(span).endswith(".submitted")
                return
        node.parent = parent
        node.orphan = parent is None and bool(span.parent_id)

    def _agree_on_time(self) -> None:
        """Shift the clocks of the hosts so that they agree, as far as the edges between them say how."""
        domains = {node.span.clock_domain for node in self.by_key.values()}
        self.skew = skew_of(self.by_key.values()) if len(domains) > 1 else ONE_CLOCK
        for node in self.by_key.values() if self.skew.flags else ():
            shift = self.skew.shifts_ns.get(node.span.clock_domain, 0)
            node.start += shift
            node.end += shift
            if node.parent is not None:
                left, right = sorted((node.span.clock_domain, node.parent.span.clock_domain))
                node.clipped = (left, right) in self.skew.conflicts


def destination(span: Span) -> str:
    """The subject or its template that a messaging span is about, else its name without the first word."""
    for name in ("messaging.destination.template", "messaging.destination.name"):
        value = span.attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return span.name.partition(" ")[2]


def whole(value: object) -> int | None:
    """The value as a whole number, or None: attributes come from the wire and may be anything."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        return int(value)
    return None


def _unique(spans: Iterable[Span]) -> tuple[dict[Key, Node], int]:
    found: dict[Key, Node] = {}
    duplicates = 0
    for span in spans:
        node = Node(span)
        known = found.get(node.key)
        if known is None:
            found[node.key] = node
        elif known.span != span:
            duplicates += 1
            if _rank(node) > _rank(known):
                found[node.key] = node
    return found, duplicates


def _rank(node: Node) -> tuple[int, int, int, str]:
    # Any total order that looks at nothing but the spans will do; the longest says most.
    span = node.span
    told = (span.kind, span.name, span.parent_id, span.service, span.status, span.clock_domain, span.request_key)
    rest = repr((told, span.links, sorted(span.attributes.items(), key=repr)))
    return node.end - node.start, span.start_ns, span.end_ns, rest


def _by_time(node: Node) -> tuple[int, int, Key]:
    return node.start, node.end, node.key


def _is_producer(node: Node) -> bool:
    return node.span.kind == "PRODUCER"


def _inherit_stages(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if node.stage is not None:
            continue
        chain: list[Node] = []
        seen: set[Key] = set()
        current: Node | None = node
        while current is not None and current.stage is None and current.key not in seen:
            seen.add(current.key)
            chain.append(current)
            current = current.parent
        stage = current.stage if current is not None else None
        for member in chain:
            member.stage = stage or Stage.UNATTRIBUTED


def _known_inside(nodes: Sequence[Node]) -> None:
    """A model call whose server told its times is not unsplit: what is not the server's is the frontend's."""
    for node in nodes:
        caller = node.parent if node.phases else None
        while caller is not None and caller.stage is Stage.LLM_UNSPLIT:
            caller.stage = Stage.LLM_FRONTEND
            caller = caller.parent


def _message(node: Node) -> tuple[object, ...]:
    attributes = node.span.attributes
    group = attributes.get(_CONSUMER_GROUP) or (node.span.service, destination(node.span))
    sequence = attributes.get(_STREAM_SEQUENCE)
    if sequence is not None:
        return (repr(group), "sequence", repr(sequence))
    return (repr(group), "sender", node.producer.key if node.producer is not None else node.key)


def _attempts(nodes: Sequence[Node]) -> dict[tuple[object, ...], list[Node]]:
    groups: dict[tuple[object, ...], list[Node]] = {}
    for node in nodes:
        if node.hop:
            groups.setdefault(_message(node), []).append(node)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda node: (whole(node.span.attributes.get(DELIVERY_ATTEMPT)) or 0, _by_time(node)))
    return groups
