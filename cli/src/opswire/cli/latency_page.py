"""The page of the ledger: the document that it shows, for the server and for an exported file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from opswire.cli.latency import Looked
from opswire.ledger.account import account
from opswire.ledger.many.difference import difference
from opswire.ledger.many.plain import difference_as_json, plain, points_of, row_as_json, table_as_json
from opswire.ledger.many.sample import on_route, read_sample
from opswire.ledger.many.slo import TargetState
from opswire.ledger.many.stage_lines import stage_table
from opswire.ledger.model import Span
from opswire.ledger.rows.model import RequestRow, RowSegment, row_of
from opswire.ledger.rows.store import RowStore
from opswire.ledger.store import StoreError, read_request
from opswire.ledger.tree import tree_of

REQUESTS_SHOWN = 200
DETAILS_EXPORTED = 60
SPANS_SHOWN = 400
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def page(connect: bool, document: Mapping[str, Any] | None = None) -> str:
    """The page, alone or with a document in it. What may run and load is said in it by hash: nothing else does."""
    html, script = (
        files("opswire.cli").joinpath(f"latency_page.{kind}").read_text(encoding="utf-8") for kind in ("html", "js")
    )
    text = html.replace("__SCRIPT__", script)
    policy = content_policy(text, connect)
    # Spans say what they like: neither the end of the script element nor anything else of HTML may come out of them.
    data = json.dumps(document).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.replace("__POLICY__", policy).replace("__DOCUMENT__", data)


def content_policy(text: str, connect: bool) -> str:
    """The page's content security policy: its own style and script, by their hashes, and nothing from elsewhere."""
    hashes = [_hashed(pattern.findall(text)) for pattern in (_SCRIPT, _STYLE)]
    source = "'self'" if connect else "'none'"
    policy = f"default-src 'none'; script-src {hashes[0]}; style-src {hashes[1]}; connect-src {source}"
    return policy + "; img-src data:; base-uri 'none'; form-action 'none'"


def _hashed(blocks: Sequence[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def look_document(
    rows: RowStore, before: Looked | None, after: Looked, route: str | None, targets: Sequence[TargetState] = ()
) -> dict[str, Any]:
    """All that the page shows of two windows, times of day in milliseconds since 1970. Raises RowStoreError."""
    found: dict[str, Any] = {
        "at_ms": time.time_ns() / 1e6,
        "route": route,
        "before": None if before is None else _window(before),
        "after": _window(after),
        "table": table_as_json(stage_table(after.sample, None if before is None else before.sample)),
        "difference": None,
        "targets": plain(targets),
        "points": [],
        "requests": [],
        "routes": sorted({*after.sample.routes, *(before.sample.routes if before is not None else ())}),
    }
    if before is not None:
        found["difference"] = difference_as_json(difference(before.sample, after.sample))
    if after.window is not None:
        windows = [one.window for one in (before, after) if one is not None and one.window is not None]
        start, end = min(one.start_ns for one in windows), max(one.end_ns for one in windows)
        around = (end - start) // 20
        seen = read_sample(rows, start - around, min(end + around, time.time_ns()), on_route(route))
        found["points"] = [[t1 / 1e6, e2e] for t1, e2e in points_of(seen)]
        found["requests"] = [listed(row) for row in _listed_rows(rows, after, route)]
    return found


def _listed_rows(rows: RowStore, looked: Looked, route: str | None) -> list[RequestRow]:
    """The last of a window and its slowest: what somebody would open first."""
    if looked.window is None:
        return []
    wanted = on_route(route) or (lambda _: True)
    window = (looked.window.start_ns, looked.window.end_ns)
    last = [row for row in rows.last(REQUESTS_SHOWN, *window) if wanted(row)]
    sample = looked.sample
    slowest = sorted(range(len(sample)), key=lambda place: -sample.e2e_ns[place])[: REQUESTS_SHOWN // 4]
    known = {row.request_key for row in last}
    more = [rows.request(sample.keys[place]) for place in slowest if sample.keys[place] not in known]
    return [*last, *(row for row in more if row is not None)]


def listed(row: RequestRow) -> dict[str, Any]:
    """A request in the list."""
    found = row_as_json(row)
    return {"at_ms": row.t1_ns / 1e6} | {name: found[name] for name in _LISTED}


_LISTED = ("request_key", "route", "outcome", "e2e_ns", "flags", "stages")


def request_document(rows: RowStore, spans_path: Path, request_key: str) -> dict[str, Any] | None:
    """One request's waterfall, times in nanoseconds after its acceptance. None where nothing is known of it.

    With the spans it holds every span; once they are gone, the pieces of the critical path alone.
    """
    spans = _spans(spans_path, request_key)
    row = rows.request(request_key)
    if spans:
        request, segments = account(request_key, spans)
        row = row_of(request, segments, spans)
    if row is None:
        return None
    found = listed(row) | {"trace_ids": list(row.trace_ids), "skew_bound_ns": row.skew_bound_ns, "whole": bool(spans)}
    found["lines"] = _span_lines(row, spans) if spans else [_segment_line(row, one) for one in row.segments]
    return found


def _spans(path: Path, request_key: str) -> list[Span]:
    try:
        return read_request(path, request_key)
    except StoreError:
        return []  # another machine's, or forgotten: the row still tells the path


def _span_lines(row: RequestRow, spans: Sequence[Span]) -> list[dict[str, Any]]:
    by_span: dict[tuple[str, str], list[RowSegment]] = {}
    for segment in row.segments:
        by_span.setdefault((segment.trace_id, segment.span_id), []).append(segment)
    lines = []
    for branch in tree_of(row.request_key, spans)[:SPANS_SHOWN]:
        span = branch.span
        own = by_span.get((span.trace_id, span.span_id), [])
        lines.append(
            {
                "depth": min(branch.depth, 12),
                "name": span.name.replace("opswire.v1.{source}.{request_id}.", ""),
                "service": span.service,
                "stage": branch.stage.value,
                "start_ns": branch.start_ns - row.t0_ns,
                "end_ns": max(branch.start_ns, branch.end_ns) - row.t0_ns,
                "failed": span.status == "ERROR",
                "path": [_piece(row, one) for one in own],
            }
        )
    gaps = [_segment_line(row, one) for one in by_span.get(("", ""), [])]
    return [*lines, *gaps]


def _segment_line(row: RequestRow, segment: RowSegment) -> dict[str, Any]:
    return {
        "depth": 0,
        "name": segment.operation.replace("opswire.v1.{source}.{request_id}.", "") or segment.why or segment.stage,
        "service": segment.service,
        "stage": segment.stage,
        "start_ns": segment.start_ns - row.t0_ns,
        "end_ns": segment.end_ns - row.t0_ns,
        "failed": False,
        "path": [_piece(row, segment)],
    }


def _piece(row: RequestRow, segment: RowSegment) -> dict[str, Any]:
    return {
        "start_ns": segment.start_ns - row.t0_ns,
        "end_ns": segment.end_ns - row.t0_ns,
        "stage": segment.stage,
        "why": " ".join(word for word in (segment.sub, segment.why) if word),
    }


def _window(looked: Looked) -> dict[str, Any]:
    found: dict[str, Any] = {"title": looked.title, "requests": len(looked.sample)}
    if looked.window is not None:
        found |= {"start_ms": looked.window.start_ns / 1e6, "end_ms": looked.window.end_ns / 1e6}
    return found


def exported(
    rows: RowStore,
    spans_path: Path,
    before: Looked | None,
    after: Looked,
    route: str | None,
    targets: Sequence[TargetState] = (),
) -> str:
    """The page as one file that needs nothing else, with the waterfalls of the requests that it names first."""
    document = look_document(rows, before, after, route, targets)
    named = [line["example_key"] for line in document["table"]["lines"]]
    named += [band["example_key"] for band in document["table"]["bands"]]
    if document["difference"] is not None:
        named += [part["example_key"] for part in document["difference"]["parts"]]
        named += [one["example_key"] for one in document["difference"]["common"]]
    slowest = sorted(document["requests"], key=lambda one: -one["e2e_ns"])
    named += [one["request_key"] for one in (*slowest[:15], *document["requests"])]
    details: dict[str, Any] = {}
    for key in dict.fromkeys(named):
        if len(details) < DETAILS_EXPORTED and (found := request_document(rows, spans_path, key)) is not None:
            details[key] = found
    return page(False, document | {"details": details})
