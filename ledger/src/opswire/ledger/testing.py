"""Traces for tests: the shape that the services leave, hand-made cases, broken ones, and a server of recorded bytes."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote_plus

from opswire.ledger.model import Span, SpanLink

MILLISECOND_NS = 1_000_000
_FACT = "opswire.v1.{source}.{request_id}."


class TraceBuilder:
    """Collects spans of one request. Times are milliseconds after `base_ns`; ids are made up in order."""

    def __init__(self, request_key: str = "cli/r1", base_ns: int = 1_700_000_000_000_000_000) -> None:
        self.request_key = request_key
        self.base_ns = base_ns
        self.spans: list[Span] = []

    def at(self, milliseconds: float) -> int:
        """That time as nanoseconds."""
        return self.base_ns + round(milliseconds * MILLISECOND_NS)

    def add(
        self,
        name: str,
        service: str,
        start_ms: float,
        end_ms: float,
        parent: Span | None = None,
        kind: str = "INTERNAL",
        stage: str | None = None,
        links: Sequence[Span] = (),
        lost_parent: bool = False,
        **attributes: object,
    ) -> Span:
        """One span; attribute names are written with `__` for the dot."""
        found = {key.replace("__", "."): value for key, value in attributes.items()}
        if stage is not None:
            found["opswire.stage"] = stage
        span = Span(
            trace_id=parent.trace_id if parent is not None else "a" * 32,
            span_id=f"{len(self.spans) + 1:016x}",
            parent_id="f" * 16 if lost_parent else parent.span_id if parent is not None else None,
            service=service,
            name=name,
            kind=kind,
            start_ns=self.at(start_ms),
            end_ns=self.at(end_ms),
            attributes=found,
            links=tuple(SpanLink(link.trace_id, link.span_id) for link in links),
            clock_domain="here",
            request_key=self.request_key,
        )
        self.spans.append(span)
        return span

    def send(self, what: str, service: str, start_ms: float, end_ms: float, parent: Span, **more: object) -> Span:
        """A PRODUCER span as the chassis makes it."""
        template = what if "." in what else _FACT + what
        more.setdefault("messaging__destination__template", template)
        return self.add(f"send {template}", service, start_ms, end_ms, parent, "PRODUCER", "publish.ack", **more)  # type: ignore[arg-type]

    def process(
        self,
        what: str,
        service: str,
        stored_ms: float | None,
        start_ms: float,
        end_ms: float,
        parent: Span | None = None,
        attempt: int = 1,
        **more: object,
    ) -> Span:
        """A CONSUMER span as the chassis makes it."""
        template = what if "." in what else _FACT + what
        more.setdefault("messaging__destination__template", template)
        more.setdefault("messaging__consumer__group__name", f"{service}-{what}")
        more["messaging.nats.message.delivery_attempt"] = attempt
        if stored_ms is not None:
            more["messaging.nats.message.stored_time"] = self.at(stored_ms)
        stage = f"{service}.compute"
        return self.add(f"process {template}", service, start_ms, end_ms, parent, "CONSUMER", stage, **more)  # type: ignore[arg-type]


def whole_request(builder: TraceBuilder) -> list[Span]:
    """A request through intent, assets and executor in 40 ms, every span there."""
    intent = builder.process("submitted", "intent", 0, 1, 9)
    builder.add("slot template", "intent", 2, 4, intent, stage="cache.lookup")
    first = builder.send("intent", "intent", 6, 8, intent)
    builder.add("settle", "intent", 8.2, 8.8, intent, stage="intent.compute")
    assets = builder.process("intent", "assets", 7, 10, 19, first)
    builder.add("inventory query", "assets", 11, 15, assets, "CLIENT", db__system__name="sqlite")
    second = builder.send("context", "assets", 16, 18, assets)
    executor = builder.process("context", "executor", 17, 20, 41, second)
    builder.send("plan", "executor", 21, 22, executor)
    builder.add("tcp web-01", "executor", 22, 30, executor, "CLIENT", "tool.run")
    builder.add("http web-01", "executor", 22.5, 37, executor, "CLIENT", "tool.run")
    builder.send("finished", "executor", 38, 40, executor, opswire__published=True, opswire__outcome="completed")
    builder.add("settle", "executor", 40.2, 40.8, executor, stage="executor.compute")
    return builder.spans


_KINDS = ("INTERNAL", "PRODUCER", "CONSUMER", "CLIENT", "SERVER", "", "nonsense")
_STAGES = ("cache.lookup", "tool.run", "approval.wait", "unattributed", "nonsense", 7, None)
_SUBJECTS = ("submitted", "intent", "context", "finished", "opswire.timers.v1.s.r.deadline")


def broken_spans(seed: int) -> list[Span]:
    """0 to 40 spans that nothing holds together: cycles, lost parents, duplicates, negative times, odd attributes."""
    chance = random.Random(seed)  # noqa: S311  a test's seed
    count = chance.randrange(41)
    ids = [f"{number:016x}" for number in range(count + 2)]
    extent = chance.choice((3, 50, 5_000, 10**9))
    return [_broken_span(chance, ids, extent) for _ in range(count)]


def _broken_span(chance: random.Random, ids: list[str], extent: int) -> Span:
    start = chance.randrange(extent)
    attributes: dict[str, object] = {}
    if chance.random() < 0.5:
        attributes["opswire.stage"] = chance.choice(_STAGES)
    if chance.random() < 0.5:
        attributes["messaging.destination.template"] = _FACT + chance.choice(_SUBJECTS)
    if chance.random() < 0.5:
        attributes["messaging.nats.message.stored_time"] = chance.choice(
            (start - 1, chance.randrange(extent), "x", 1.5)
        )
    if chance.random() < 0.4:
        attributes["messaging.nats.message.delivery_attempt"] = chance.choice((1, 2, 3, -1, "2", None))
        attributes["messaging.nats.stream.sequence"] = chance.choice((1, 2, "2"))
    if chance.random() < 0.3:
        attributes["opswire.published"] = chance.choice((True, False, "yes"))
    return Span(
        trace_id=chance.choice(("a" * 32, "a" * 32, "b" * 32)),
        span_id=chance.choice(ids),
        parent_id=chance.choice((None, *ids)),
        service=chance.choice(("intent", "assets", "executor", "")),
        name=chance.choice(("process x", "send x", "tool.run", "")),
        kind=chance.choice(_KINDS),
        start_ns=start,
        end_ns=start + chance.randrange(-extent // 4, extent),
        attributes=attributes,
        links=tuple(SpanLink("a" * 32, chance.choice(ids)) for _ in range(chance.choice((0, 0, 1, 2)))),
        clock_domain=chance.choice(("one", "two")),
        request_key=chance.choice(("cli/r1", "cli/r1", None, "other/r2")),
    )


def damaged_spans(seed: int) -> list[Span]:
    """Sound requests and trees of up to 60 spans, then damaged: dropped, shuffled, skewed, reversed, orphaned, cyclic,
    duplicated, each by chance."""
    chance = random.Random(seed)  # noqa: S311  a test's seed
    builder = TraceBuilder(base_ns=1_000_000_000)
    spans = whole_request(builder) if chance.random() < 0.3 else _tree(builder, chance)
    spans = [span for span in spans if chance.random() > 0.1]
    hosts = {service: (chance.choice(("here", "there")), chance.randrange(-50, 50)) for service in _SERVICES}
    spans = [_damaged(span, spans, chance, *hosts[span.service]) for span in spans]
    spans += [
        replace(chance.choice(spans), end_ns=chance.randrange(10**9)) for _ in range(chance.randrange(3)) if spans
    ]
    chance.shuffle(spans)
    return spans


_SERVICES = ("intent", "assets", "executor")
_NAMES = ("step", "inventory query", "tcp web-01", "llm_request")


def _tree(builder: TraceBuilder, chance: random.Random) -> list[Span]:
    root = builder.process("submitted", "intent", 0, 1, 1_000)
    while len(builder.spans) < chance.randrange(2, 60):
        parent = chance.choice(builder.spans)
        start = (parent.start_ns - builder.base_ns) / MILLISECOND_NS
        length = (parent.end_ns - parent.start_ns) / MILLISECOND_NS
        begin = start + length * chance.random() * 0.9
        end = begin + (start + length - begin) * chance.random()
        stage = chance.choice(("cache.lookup", "tool.run", "llm.unsplit", None))
        builder.add(chance.choice(_NAMES), chance.choice(_SERVICES), begin, end, parent, stage=stage)
    builder.send("finished", "executor", 990, 995, root)
    return builder.spans


def _damaged(span: Span, spans: Sequence[Span], chance: random.Random, host: str, ahead_ms: int) -> Span:
    shift = ahead_ms * MILLISECOND_NS if host == "there" else 0
    start, end = span.start_ns + shift, span.end_ns + shift
    if chance.random() < 0.05:
        start, end = end, start
    parent_id = chance.choice([one.span_id for one in spans]) if chance.random() < 0.05 else span.parent_id
    key = None if chance.random() < 0.1 else span.request_key
    return replace(span, start_ns=start, end_ns=end, parent_id=parent_id, clock_domain=host, request_key=key)


class RecordedServer:
    """A real HTTP server on loopback that gives recorded bytes for paths; 404 for every other. Stands in for a Jaeger
    or a Tempo, whose programs are not part of the tests. `asked` holds the decoded targets of the requests."""

    def __init__(self, answers: Mapping[str, bytes | tuple[int, bytes]]) -> None:
        """Keys are the beginnings of decoded targets, path and query; the longest that fits is taken."""
        self.asked: list[str] = []
        recorded = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target = unquote_plus(self.path)
                recorded.asked.append(target)
                fitting = [key for key in answers if target.startswith(key)]
                found = answers[max(fitting, key=len)] if fitting else (404, b"404 page not found")
                status, body = found if isinstance(found, tuple) else (200, found)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: tests read what they asked for."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RecordedServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_whole(spans: Sequence[Span]) -> bool:
    """Whether a request's spans are all there: no parent is missing, each taking is settled, the outcome was sent."""
    known = {span.span_id for span in spans} | {None}
    taken = sum(span.kind == "CONSUMER" for span in spans)
    settled = sum(span.name == "settle" for span in spans)
    finished = any(span.name.endswith(".finished") for span in spans)
    return finished and taken == settled and all(span.parent_id in known for span in spans)
