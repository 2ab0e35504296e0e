"""The walk: from the span that finished a request back to its acceptance, one labelled segment at a time.

Each step emits one segment that ends at `t` and moves `t` to the segment's start, so that the segments are contiguous
and their sum is t1 - t0 by construction, whatever the spans look like. It ends: every step moves `t` to the left or
takes a span that was not taken before. Never raises on broken spans.
"""

from __future__ import annotations

from opswire.ledger.graph import DELIVERY_ATTEMPT, STORED_TIME, Graph, Node, destination, whole
from opswire.ledger.model import Segment, Span
from opswire.ledger.stages import Stage
from opswire.ledger.window import Window

MISSING_PARENT = "missing parent"
DETACHED = "detached"
GAP = "gap"
NO_STAGE = "no stage"
TIMER = "waited for a timer"
ADOPTED = "adopted"
NOT_TAKEN = "no span says that anybody took it until then"
QUESTION, TAKEN, OURS = "approval.{round}.requested", (".intent", ".context"), "opswire.v1."
CLOCKS = "clipped: the clocks of two hosts disagree"

_Row = tuple[int, int, Stage, str, Span | None, str]


class _Frame:
    """A span being walked through, from right to left."""

    __slots__ = ("adopted", "children", "first", "floor", "node", "owed", "place")

    def __init__(self, node: Node, floor: int, first: bool, adopted: bool) -> None:
        self.node = node
        self.floor = floor
        self.first = first
        self.adopted = adopted
        self.place = 0
        self.owed = 0
        # Latest end first; ties: earliest start, then id.
        self.children = sorted(node.children, key=_latest_end_first) if len(node.children) > 1 else node.children

    def next_child(self, t: int) -> Node | None:
        """The unused blocking child that starts before `t` and ends last, at `t` or before."""
        children = self.children
        if not children:
            return None
        if self.first:
            self.first = False
            over = [c for c in children if c.end >= t > c.start and not (c.used or c.approval)]
            if over:
                return min(over, key=_earliest_start_first)
        while self.place < len(children):
            child = children[self.place]
            if child.end <= t and child.start < t and not child.used and not child.approval:
                return child
            self.place += 1
        return None


class Walker:
    """One walk over one graph. Marks the spans that it takes as used: a graph is walked once."""

    def __init__(self, graph: Graph, window: Window) -> None:
        self._graph = graph
        self._floor = window.t0_ns
        self._t = window.t1_ns
        self._stack: list[_Frame] = []
        self._rows: list[_Row] = []
        self._reason = MISSING_PARENT
        self._by_end: list[Node] | None = None
        self._place = 0
        self._approvals: list[Node] = []
        if window.terminal is not None and window.terminal in graph.by_key:
            self._push(graph.by_key[window.terminal], self._floor, first=True)

    def segments(self, request_key: str) -> list[Segment]:
        """The partition of the window, in the order of time."""
        while self._t > self._floor:
            if self._stack:
                self._step()
            elif not self._jump():
                self._emit(self._floor, Stage.UNATTRIBUTED, GAP, None)
        return [
            Segment(
                request_key,
                seq,
                start,
                end,
                stage,
                sub,
                span.trace_id if span else "",
                span.span_id if span else "",
                span.service if span else "",
                why,
            )
            for seq, (start, end, stage, sub, span, why) in enumerate(reversed(self._rows))
        ]

    def _step(self) -> None:
        frame = self._stack[-1]
        low = frame.node.start if frame.node.start > frame.floor else frame.floor
        if self._t > low:
            child = frame.next_child(self._t)
            if child is not None and child.end > low:
                if child.clipped:
                    self._emit_clipped(frame, child, low)
                else:
                    self._emit_span(frame, child.end if child.end < self._t else self._t)
                self._push(child, low, first=True, adopted=frame.adopted)
                return
            self._emit_span(frame, low)
        self._stack.pop()
        if not self._stack:
            self._before(frame.node)

    def _before(self, node: Node) -> None:
        """Go on with what led to `node`, whose start has been reached and which no open span encloses."""
        if node.hop:
            self._hop(node)
        elif node.approval and (asking := self._asking(node)) is not None:
            asking.used = True
            self._emit(asking.start, Stage.PUBLISH_ACK, "", asking.span)
            self._before(asking)
        elif node.parent is not None and not node.parent.used and not node.approval:
            self._enter(node.parent)
        else:
            linked = self._graph.linked(node, _unused)
            if linked is not None:
                self._enter(linked)
            else:
                self._reason = MISSING_PARENT if node.orphan else GAP

    def _enter(self, node: Node) -> None:
        """Continue in a span from which the last one came: its parent, or what it links to."""
        outlived = self._t > node.end
        if outlived:
            self._emit(node.end, Stage.UNATTRIBUTED, DETACHED, node.span)
        self._push(node, self._floor, first=outlived)

    def _hop(self, node: Node) -> None:
        first = self._attempts(node)
        producer = node.producer if node.producer is not None and not node.producer.used else None
        stored = whole(node.span.attributes.get(STORED_TIME))
        if producer is not None and stored is not None and stored > producer.end and _is_timer(node):
            # The broker published it when it fell due; what led here is whatever was going on until then.
            self._wait(first, stored, "")
            self._reason = TIMER
            return
        if producer is None:
            if stored is not None:
                self._wait(first, stored, "")
            self._reason = MISSING_PARENT
            return
        producer.used = True
        if stored is None:
            self._wait(first, producer.end, "no stored time: the end of the send instead")
        else:
            self._wait(first, max(producer.start, stored), "")
        self._emit(producer.start, Stage.PUBLISH_ACK, "", producer.span)
        self._before(producer)

    def _attempts(self, node: Node) -> Node:
        """Book the earlier deliveries of the same message; the earliest that left a span."""
        first = node
        for attempt in self._graph.earlier_attempts(node):
            if attempt.used:
                continue
            attempt.used = True
            self._emit(attempt.end, Stage.QUEUE_REDELIVERY, "waiting for redelivery", first.span, sub="wait")
            self._emit(attempt.start, Stage.QUEUE_REDELIVERY, "an attempt that did not end it", attempt.span, "attempt")
            first = attempt
        return first

    def _wait(self, first: Node, stored: int, why: str) -> None:
        if (whole(first.span.attributes.get(DELIVERY_ATTEMPT)) or 1) > 1:
            # The first delivery's span died with its process: most of this time is the wait for the next delivery.
            self._emit(stored, Stage.QUEUE_REDELIVERY, "an earlier attempt left no span", first.span, sub="lost")
        else:
            self._emit(stored, Stage.BUS_WAIT, why, first.span)

    def _jump(self) -> bool:
        """Nothing led here: an approval that was waited for, what was going on, or the latest unseen span that ended.

        A person's word, a wish to cancel and a deadline come from outside: what they ended is what lies before them.
        """
        if self._by_end is None:
            # Most walks never jump: only now is the order of all spans needed.
            self._by_end = sorted(self._graph.nodes, key=_latest_end_first)
            self._approvals = [node for node in self._by_end if node.approval]
        while self._place < len(self._by_end):
            node = self._by_end[self._place]
            if not node.used and node.end <= self._t:
                break
            self._place += 1
        ended = self._by_end[self._place] if self._place < len(self._by_end) else None
        found = self._approval_since(ended) or self._going_on() or ended
        if found is None or found.end <= self._floor:
            return False
        if found.end < self._t:
            self._emit_gap(found)
        floor = self._floor
        if found.approval and (asking := self._asking(found)) is not None:
            floor = max(floor, asking.end)  # before it was published nobody could be waited for
        self._push(found, floor, first=True)
        return True

    def _approval_since(self, ended: Node | None) -> Node | None:
        for approval in self._approvals:
            if not approval.used and approval.start < self._t and (ended is None or approval.end >= ended.end):
                return approval
        return None

    def _asking(self, approval: Node) -> Node | None:
        """What asked the people who were waited for: the first publishing of a question in that time."""
        for node in self._graph.nodes:
            is_question = node.span.kind == "PRODUCER" and destination(node.span).endswith(QUESTION)
            if is_question and approval.start <= node.start and node.end <= approval.end and not node.used:
                return node
        return None

    def _going_on(self) -> Node | None:
        """The handling of a message of this request that had begun and not ended, the latest begun."""
        going = [node for node in self._graph.nodes if node.start < self._t < node.end and _unused(node)]
        ours = [node for node in going if node.hop and destination(node.span).startswith(OURS)]
        return ours[-1] if ours else None

    def _emit_gap(self, found: Node) -> None:
        """Between `found` and here: a message that nobody took lay at the broker; else nobody knows."""
        taken = {id(node.producer) for node in self._graph.nodes if node.hop and node.start < self._t}
        for node in self._graph.nodes:
            waits = node.span.kind == "PRODUCER" and destination(node.span).endswith(TAKEN) and id(node) not in taken
            if waits and node.start <= found.end and node.end <= self._t:
                self._emit(found.end, Stage.BUS_WAIT, NOT_TAKEN, node.span)
                return
        self._emit(found.end, Stage.UNATTRIBUTED, self._reason, None)

    def _push(self, node: Node, floor: int, first: bool, adopted: bool = False) -> None:
        node.used = True
        self._stack.append(_Frame(node, floor, first, adopted or node.adopted))

    def _emit_clipped(self, frame: _Frame, child: Node, low: int) -> None:
        """Like any child; but what sticks out of its parent was cut off by no clock that can be believed.

        As much of the parent's own time next to the child is nobody's: after it what stuck out at its start, before it
        what stuck out at its end.
        """
        end = min(child.end, self._t)
        self._emit_span(frame, min(end + max(0, low - child.start), self._t))
        self._emit(end, Stage.UNATTRIBUTED, CLOCKS, child.span)
        frame.owed = child.end - end

    def _emit_span(self, frame: _Frame, start: int) -> None:
        if start >= self._t:
            return
        node = frame.node
        if frame.owed:
            self._emit(max(start, self._t - frame.owed), Stage.UNATTRIBUTED, CLOCKS, node.span)
            frame.owed = 0
        if node.phases:
            self._emit_phases(frame, start)
            return
        stage = node.stage or Stage.UNATTRIBUTED
        sub, why = _details(node.span, stage)
        if stage is Stage.UNATTRIBUTED:
            why = NO_STAGE
        elif frame.adopted:
            why = ADOPTED
        self._emit(start, stage, why, node.span, sub)

    def _emit_phases(self, frame: _Frame, start: int) -> None:
        node = frame.node
        begins = [0, *(end for end, _ in node.phases[:-1])]
        for begin, (_, stage) in zip(reversed(begins), reversed(node.phases), strict=True):
            self._emit(max(start, node.start + begin), stage, ADOPTED if frame.adopted else "", node.span)

    def _emit(self, start: int, stage: Stage, why: str, span: Span | None, sub: str = "") -> None:
        if start < self._floor:
            start = self._floor
        if start < self._t:
            self._rows.append((start, self._t, stage, sub, span, why))
            self._t = start


def _details(span: Span, stage: Stage) -> tuple[str, str]:
    if stage is Stage.CACHE_LOOKUP:
        for link in span.links:
            if link.trace_id != span.trace_id:
                return "coalesced", f"leader {link.trace_id}"
    return "", ""


def _is_timer(node: Node) -> bool:
    return ".timers." in destination(node.span)


def _unused(node: Node) -> bool:
    return not node.used


def _latest_end_first(node: Node) -> tuple[int, int, tuple[str, str]]:
    return -node.end, node.start, node.key


def _earliest_start_first(node: Node) -> tuple[int, tuple[str, str]]:
    return node.start, node.key
