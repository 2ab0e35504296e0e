"""`trace`: the ledger's account of one request, or of the traces of a file, a Jaeger or a Tempo."""

from __future__ import annotations

import heapq
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from opswire.cli.console import terminal, write_json
from opswire.cli.errors import CommandError, NotFoundError, NotRunningError, UsageError
from opswire.cli.views.trace import render_trace, trace_as_json
from opswire.cli.views.traces import LINES_MAX, operations, overview, trace_values
from opswire.ledger.account import account, account_trace
from opswire.ledger.model import Request, Segment, Span
from opswire.ledger.pausing import collections_paused
from opswire.ledger.readers.errors import InputError, MissingError, UnreachableError
from opswire.ledger.readers.files import read_file
from opswire.ledger.readers.http_api import read_jaeger_api, read_tempo_api
from opswire.ledger.readers.traces import Group, Traces
from opswire.ledger.store import StoreError, read_request

# The services hand their spans over every quarter of a second: a trace looked at sooner would lack its end.
SETTLE_S = 0.6
SETTLE_MAX_S = 3.0
LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where traces are read from, when not from our own store: exactly one of the three."""

    file: Path | None = None
    jaeger: str | None = None
    tempo: str | None = None

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.file, self.jaeger, self.tempo)) != 1:
            raise UsageError("traces are read from one place", "one of --from, --jaeger and --tempo")

    def spans(self, wanted: str | None) -> Iterator[Span]:
        """The spans there; of a store only those of what is wanted. Raises InputError."""
        if self.file is not None:
            return read_file(self.file)
        if self.jaeger is not None:
            return read_jaeger_api(self.jaeger, wanted)
        assert self.tempo is not None
        return read_tempo_api(self.tempo, wanted)


def print_trace(store: Path, source: str, request_id: str, as_json: bool) -> None:
    """Print where the time of a request went. Raises NotFoundError when the store has no span of it."""
    key = f"{source}/{request_id}"
    try:
        spans = settled_spans(store, key)
    except StoreError as error:
        raise NotRunningError(str(error), "opswire up, then ask something") from error
    if not spans:
        raise NotFoundError(f"no trace of {key} in {store}", "traces are kept for a day; opswire show has the facts")
    request, segments = account(key, spans)
    if as_json:
        write_json(trace_as_json(request, spans, segments))
        return
    _print(request, spans, segments)


def print_traces(place: Elsewhere, wanted: str | None, as_json: bool) -> None:
    """Print the traces of a file or another store: all of them, or the one wanted. Raises CommandError."""
    with _input_errors(), collections_paused():
        found = (group for group in Traces().groups(place.spans(wanted)) if _is_wanted(group, wanted))
        count = _write_all(found) if as_json else _print_all(found)
    if not count:
        raise NotFoundError(
            f"no trace of {wanted} there" if wanted else "there is no span in it", "opswire trace --help"
        )


def _is_wanted(group: Group, wanted: str | None) -> bool:
    if wanted is None or wanted in (group.request_key, group.trace_id):
        return True
    if group.request_key is not None and group.request_key.rpartition("/")[2] == wanted:
        return True
    # Jaeger leaves out the zeros that a trace id begins with.
    return group.trace_id.lstrip("0") == wanted.lower().lstrip("0")


def booked(group: Group) -> tuple[Request, list[Segment]]:
    """The account of a group: of a request of ours, or of a trace by its root span."""
    if group.request_key is not None:
        return account(group.request_key, group.spans)
    return account_trace(group.trace_id, group.spans)


def _write_all(groups: Iterable[Group]) -> int:
    """One JSON array, an element for each trace, written as it goes: a large file is never in memory as a whole."""
    count = 0
    for count, group in enumerate(groups, 1):
        values = trace_values(group.trace_id, *_with_spans(group))
        sys.stdout.write(("[\n" if count == 1 else ",\n") + json.dumps(values, ensure_ascii=False))
    if count:
        sys.stdout.write("\n]\n")
        sys.stdout.flush()
    return count


def _with_spans(group: Group) -> tuple[Request, list[Span], list[Segment]]:
    request, segments = booked(group)
    return request, group.spans, segments


def _print_all(groups: Iterable[Group]) -> int:
    slowest: list[tuple[int, str, Request, int]] = []
    only: Group | None = None
    count = 0
    for count, group in enumerate(groups, 1):
        only = group if count == 1 else None
        request, _ = booked(group)
        entry = (request.e2e_ns, group.request_key or group.trace_id, request, len(group.spans))
        (heapq.heappush if count <= LINES_MAX else heapq.heappushpop)(slowest, entry)
    if only is not None:
        _print(*_with_spans(only))
    elif count:
        ranked = sorted(slowest, key=lambda entry: (-entry[0], entry[1]))
        console = terminal()
        console.print(overview([(name, request, spans) for _, name, request, spans in ranked], count))
        console.print("One of them: opswire trace ID, with the same option.", style="dim")
    return count


def _print(request: Request, spans: list[Span], segments: list[Segment]) -> None:
    console = terminal()
    for part in render_trace(request, spans, segments):
        console.print(part)
    if "foreign" in request.flags:
        console.print()
        console.print(operations(request, spans, segments))


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except MissingError as error:
        raise NotFoundError(str(error), "the id of a trace or request that is kept there") from error
    except UnreachableError as error:
        raise NotRunningError(str(error), "the address of a Jaeger or Tempo that runs") from error
    except InputError as error:
        raise CommandError(str(error), "docs/how-to/find-a-slow-stage.md names the forms that are read") from error


def settled_spans(store: Path, key: str, *, has_ended: bool = False) -> list[Span]:
    """The spans of a request, once none can be under way any more: all of them are older than the exporters' pause.

    Old spans alone do not say so: nothing ends while a step runs for long. Without the span that published the outcome
    they are looked at for as long as a handover takes, and for 3 s of a request that `has_ended`.
    """
    began = time.monotonic()
    patience_s = SETTLE_MAX_S if has_ended else SETTLE_S
    while True:
        spans = read_request(store, key)
        newest_ns = max((span.end_ns for span in spans), default=time.time_ns())
        waited_s = time.monotonic() - began
        is_quiet = time.time_ns() - newest_ns > SETTLE_S * 1e9
        if waited_s > SETTLE_MAX_S or (is_quiet and (waited_s > patience_s or _holds_finish(key, spans))):
            return spans
        time.sleep(LOOK_AGAIN_S)


def _holds_finish(key: str, spans: list[Span]) -> bool:
    return "no_finish" not in account(key, spans)[0].flags
