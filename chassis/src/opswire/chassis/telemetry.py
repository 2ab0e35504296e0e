"""Light tracing: spans as small objects on the event loop, encoded and exported by a thread off it.

OpenTelemetry's data model and W3C trace context, without its per-span cost on the hot path: a span of the SDK costs
17 microseconds here, one of these 2 (`just bench tracing` prints both in one run). The exporter thread hands batches
to whatever sinks are set: the local span store, an OTLP collector through OpenTelemetry's own exporter, or both.

Not guaranteed: when the queue is full (65,536 spans) new spans are dropped and counted; a killed process loses the
spans of its last quarter second. No outcome rests on a span.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Literal, Protocol, Self

from opswire.chassis.redaction import redactor
from opswire.chassis.stages import Stage

Kind = Literal["INTERNAL", "PRODUCER", "CONSUMER", "CLIENT", "SERVER"]
AttributeValue = str | int | float | bool
QUEUE_SPANS_MAX = 65_536
EXPORT_INTERVAL_S = 0.25

_random = random.Random()  # noqa: S311  identifiers, not secrets
_current: ContextVar[Span | None] = ContextVar("opswire_span", default=None)
_withheld: ContextVar[_Withheld | None] = ContextVar("opswire_spans_withheld", default=None)


class Span:
    """One timed piece of work. Use it as a context manager; times are nanoseconds since 1970."""

    __slots__ = (
        "_token",
        "attributes",
        "end_ns",
        "kind",
        "links",
        "name",
        "parent_id",
        "request_key",
        "span_id",
        "start_ns",
        "status",
        "trace_id",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        trace_id: str,
        parent_id: str | None,
        request_key: str | None,
        attributes: dict[str, AttributeValue],
    ) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = f"{_random.getrandbits(64):016x}"
        self.parent_id = parent_id
        self.request_key = request_key
        self.attributes = attributes
        self.links: list[tuple[str, str]] = []
        self.status = "UNSET"
        self.start_ns = time.time_ns()
        self.end_ns = 0
        self._token: Token[Span | None] | None = None

    def set(self, key: str, value: AttributeValue) -> None:
        """Record one attribute."""
        self.attributes[key] = value

    @property
    def traceparent(self) -> str:
        """This span as W3C trace context, always sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if error is not None:
            self.status = "ERROR"
            self.attributes.setdefault("error.type", type(error).__name__)
        self.finish()

    def finish(self, end_ns: int | None = None) -> None:
        """End the span and hand it to the exporter. Called by the context manager; once."""
        self.end_ns = end_ns or time.time_ns()
        (_withheld.get() or exporter).offer(self)


class Sink(Protocol):
    """Somewhere that finished spans go. Called in the exporter's thread, never on the event loop."""

    def write(self, spans: Sequence[Span]) -> None:
        """Store or send a batch. May raise; the batch is then counted as lost."""

    def close(self) -> None:
        """Flush and release."""


class Exporter:
    """A bounded queue and the thread that empties it into the sinks every quarter second."""

    def __init__(self) -> None:
        self._queue: deque[Span] = deque()
        self._sinks: tuple[Sink, ...] = ()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._on_error: Callable[[Exception], None] = lambda _: None
        self.dropped = 0

    def start(self, sinks: Sequence[Sink], on_error: Callable[[Exception], None]) -> None:
        """Begin exporting. Without sinks every span is thrown away at once."""
        self._sinks = tuple(sinks)
        self._on_error = on_error
        self._stopping = False
        if self._sinks:
            self._thread = threading.Thread(target=self._run, name="span-exporter", daemon=True)
            self._thread.start()

    def offer(self, span: Span) -> None:
        """Take a finished span; never blocks, never raises."""
        if not self._sinks:
            return
        if len(self._queue) >= QUEUE_SPANS_MAX:
            self.dropped += 1
            return
        self._queue.append(span)

    def stop(self) -> None:
        """Export what is queued and end the thread. Blocks for at most five seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None
        self._wake.clear()
        self._sinks = ()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(EXPORT_INTERVAL_S)
            self._flush()
        self._flush()
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001  one sink's fault must not keep the others open
                self._on_error(error)

    def _flush(self) -> None:
        batch: list[Span] = []
        while self._queue:  # taken one by one: only that is safe beside the loop's appending
            batch.append(self._queue.popleft())
        if not batch:
            return
        _redact(batch)
        failed = False
        for sink in self._sinks:
            try:
                sink.write(batch)
            except Exception as error:  # noqa: BLE001  a sink's fault must never reach a request
                failed = True
                self._on_error(error)
        self.dropped += len(batch) if failed else 0  # not whole anywhere: counted once, whichever sink it was


def _redact(batch: Sequence[Span]) -> None:
    """Take secrets out of finished spans. Nearly always there is none, which one look at all of them together tells."""
    texts = [value for span in batch for value in (span.name, *span.attributes.values()) if isinstance(value, str)]
    if redactor.is_clean("\n".join(texts)):
        return
    for span in batch:
        span.name = redactor.text(span.name)
        span.attributes = redactor.value(span.attributes)


exporter = Exporter()


class _Withheld:
    """Spans that wait for the first of them that sends a message; none is held from then on."""

    def __init__(self) -> None:
        self._spans: list[Span] | None = []

    def offer(self, span: Span) -> None:
        """As the exporter does."""
        if self._spans is None:
            exporter.offer(span)
            return
        self._spans.append(span)
        if span.kind == "PRODUCER":
            held, self._spans = self._spans, None
            for each in held:
                exporter.offer(each)


@contextmanager
def recorded_if_sent() -> Iterator[None]:
    """Spans within are recorded once one of them sends a message, and thrown away where none does.

    For what is looked at again and again until there is something to do: a look that found nothing is no span.
    """
    token = _withheld.set(_Withheld())
    try:
        yield
    finally:
        _withheld.reset(token)


def current_span() -> Span | None:
    """The span that encloses the caller, if any."""
    return _current.get()


def new_trace_id() -> str:
    """32 lower-case hexadecimal digits, random, never all zero."""
    return f"{_random.getrandbits(128) | 1:032x}"


def span(name: str, stage: Stage, attributes: dict[str, AttributeValue] | None = None, kind: Kind = "INTERNAL") -> Span:
    """A child of the current span, or a new trace's root. `with span("query", Stage.ASSETS_DB) as current: ...`."""
    found: dict[str, AttributeValue] = {"opswire.stage": stage}
    if attributes:
        found.update(attributes)
    parent = _current.get()
    if parent is None:
        return Span(name, kind, new_trace_id(), None, None, found)
    return Span(name, kind, parent.trace_id, parent.span_id, parent.request_key, found)


def root(request_key: str, name: str, stage: Stage) -> Span:
    """The first span of a new trace about a request, whatever encloses the caller: what no message of it led to."""
    return Span(name, "INTERNAL", new_trace_id(), None, request_key, {"opswire.stage": stage})


def remote_child(
    name: str, traceparent: str | None, request_key: str | None, attributes: dict[str, AttributeValue]
) -> Span:
    """The CONSUMER span of a message: child of the sender's span when its headers name one, else a new root."""
    context = parse_traceparent(traceparent)
    if context is None:
        return Span(name, "CONSUMER", new_trace_id(), None, request_key, attributes)
    return Span(name, "CONSUMER", context[0], context[1], request_key, attributes)


_HEX = frozenset("0123456789abcdef")


def parse_traceparent(value: str | None) -> tuple[str, str] | None:
    """Trace and span id of a W3C `traceparent`, or None when it is absent or not well-formed."""
    if value is None or len(value) < 55 or value[2] != "-" or value[35] != "-" or value[52] != "-":
        return None
    version, trace_id, span_id, flags = value[:2], value[3:35], value[36:52], value[53:55]
    if version == "ff" or not _HEX.issuperset(version + trace_id + span_id + flags):
        return None
    if len(value) > 55 and (version == "00" or value[55] != "-"):
        return None
    if trace_id == "0" * 32 or span_id == "0" * 16:
        return None
    return trace_id, span_id
