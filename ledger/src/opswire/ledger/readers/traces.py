"""Spans in any order in; whole requests and traces out, in bounded memory.

A request is not a trace: spans that carry a request's key belong together with all spans of the traces in which that
key appears. Up to `held_max` spans are kept in memory. Beyond that the traces that were touched longest ago are moved
to temporary files, by a hash of their trace id, and come back file by file at the end: nothing is cut or guessed, and
what is in memory is `held_max` spans or one file's, whichever is more.
"""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any
from zlib import crc32

from opswire.ledger.model import Span, SpanLink

HELD_MAX = 100_000
"""Spans in memory; about 1.5 kB each with eight attributes."""
PARTS = 128
_MOVED_AT_ONCE = 0.5
_LINKS = 10
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Spans that belong together. `request_key` is None for a trace that is not of a request of ours."""

    request_key: str | None
    trace_id: str
    spans: list[Span]


class Traces:
    """Collects spans; gives them back together. `held` and `held_peak` count the spans in memory."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self.held = 0
        self.held_peak = 0
        self.moved = 0
        self._held_max = held_max
        self._traces: dict[str, list[Span]] = {}
        self._home_of_key: dict[str, str] = {}
        self._joined: dict[str, str] = {}
        self._parts: dict[int, IO[bytes]] = {}
        self._stack = ExitStack()

    def groups(self, spans: Iterable[Span]) -> Iterator[Group]:
        """All spans in; then each request and trace, once. Temporary files are gone when it ends."""
        with self._stack:
            for span in spans:
                self._take(span)
            yield from self._whole()

    def _take(self, span: Span) -> None:
        trace_id = span.trace_id
        trace = self._traces.pop(trace_id, None)
        if trace is None:
            trace = []
        trace.append(span)
        self._traces[trace_id] = trace  # last: touched just now
        if span.request_key is not None:
            home = self._home_of_key.setdefault(span.request_key, trace_id)
            if home != trace_id:
                self._join(home, trace_id)
        self.held += 1
        if self.held > self.held_peak:
            self.held_peak = self.held
        if self.held > self._held_max:
            self._move()

    def _join(self, left: str, right: str) -> None:
        left, right = self._root(left), self._root(right)
        if left != right:
            self._joined[max(left, right)] = min(left, right)

    def _root(self, trace_id: str) -> str:
        root = trace_id
        while root in self._joined:
            root = self._joined[root]
        while trace_id != root:
            self._joined[trace_id], trace_id = root, self._joined[trace_id]
        return root

    def _move(self) -> None:
        """Move the traces touched longest ago to files, until half of the places are free."""
        left = int(self._held_max * _MOVED_AT_ONCE)
        for trace_id in list(self._traces):
            if self.held <= left:
                return
            # One trace larger than all places is moved too: it comes back whole, with its file.
            self._write(self._traces.pop(trace_id), _part(self._root(trace_id)))

    def _write(self, spans: list[Span], part: int) -> None:
        file = self._parts.get(part)
        if file is None:
            file = self._parts[part] = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack
        # One piece for all of them, behind its length: marshal reads an open file byte by byte.
        piece = marshal.dumps([_flat(span) for span in spans])
        file.write(len(piece).to_bytes(_LENGTH_BYTES, "big") + piece)
        self.held -= len(spans)
        self.moved += len(spans)

    def _whole(self) -> Iterator[Group]:
        if not self._parts:
            yield from self._give(self._traces)
            return
        for trace_id in list(self._traces):
            self._write(self._traces.pop(trace_id), _part(self._root(trace_id)))
        if self._joined:
            self._bring_home()
        for part in sorted(self._parts):
            yield from self._give(self._read(part))

    def _bring_home(self) -> None:
        """Move what was written before its trace was known to belong to another one."""
        for part in sorted(self._parts):
            strayed: list[Span] = []
            staying: list[Span] = []
            for span in self._spans(part):
                (staying if _part(self._root(span.trace_id)) == part else strayed).append(span)
            if not strayed:
                continue
            self._parts.pop(part).close()
            self._write(staying, part)
            for span in strayed:
                self._write([span], _part(self._root(span.trace_id)))
            self.held += len(staying) + len(strayed)

    def _read(self, part: int) -> dict[str, list[Span]]:
        traces: dict[str, list[Span]] = {}
        for span in self._spans(part):
            traces.setdefault(span.trace_id, []).append(span)
        self._parts[part].close()
        count = sum(map(len, traces.values()))
        self.held_peak = max(self.held_peak, count)
        return traces

    def _spans(self, part: int) -> Iterator[Span]:
        file = self._parts[part]
        file.seek(0)
        while length := file.read(_LENGTH_BYTES):
            piece = file.read(int.from_bytes(length, "big"))
            for flat in marshal.loads(piece):  # noqa: S302  written by this process, to a file without a name
                yield _whole(flat)

    def _give(self, traces: dict[str, list[Span]]) -> Iterator[Group]:
        together: dict[str, list[Span]] = traces
        if self._joined:
            together = {}
            for trace_id, spans in traces.items():
                together.setdefault(self._root(trace_id), []).extend(spans)
        for trace_id, spans in together.items():
            keys = sorted({span.request_key for span in spans if span.request_key is not None})
            for key in keys:
                yield Group(key, _first_trace(spans, key), [s for s in spans if s.request_key in (None, key)])
            if not keys:
                yield Group(None, trace_id, spans)


def _first_trace(spans: list[Span], key: str) -> str:
    return min((span.start_ns, span.trace_id) for span in spans if span.request_key == key)[1]


def _part(trace_id: str) -> int:
    return crc32(trace_id.encode("utf-8", "surrogatepass")) % PARTS


def _flat(span: Span) -> tuple[Any, ...]:
    attributes = span.attributes
    return (
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.service,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        span.status,
        attributes if type(attributes) is dict else dict(attributes),
        tuple((link.trace_id, link.span_id) for link in span.links) if span.links else (),
        span.clock_domain,
        span.request_key,
    )


def _whole(flat: tuple[Any, ...]) -> Span:
    if not flat[_LINKS]:
        return Span(*flat)
    columns = list(flat)
    columns[_LINKS] = tuple(SpanLink(*link) for link in columns[_LINKS])
    return Span(*columns)
