"""Traces from Jaeger and from Tempo, over their HTTP interfaces."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson
from opswire.ledger.model import Span
from opswire.ledger.readers.documents import read_document
from opswire.ledger.readers.errors import InputError, MissingError, UnreachableError

TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 256 * 1024 * 1024
SERVICES_MAX = 100
TRACES_MAX = 20
"""Traces of one service that are asked for where no trace is named."""
_TRACE_ID = re.compile(r"[0-9a-fA-F]{16,32}")
_OF_TRACE = re.compile(r"(?P<base>.*?)/(?:api/(?:v[23]/)?traces|trace)/(?P<trace>[0-9a-fA-F]{1,32})/?")
_SEARCH = re.compile(r".*/api/(?:v3/)?(?:traces|search)/?")
_ID_TAGS = ("opswire.request_key", "opswire.request_id")


def read_jaeger_api(url: str, wanted: str | None = None) -> Iterator[Span]:
    """Spans from a Jaeger at `url`: of the trace or request `wanted`, or the newest traces of every service.

    `url` may also be the address of a trace or of a search in Jaeger's page or interface. Raises MissingError,
    UnreachableError, or InputError.
    """
    base, wanted = _split(url, wanted)
    if _SEARCH.fullmatch(urllib.parse.urlsplit(base).path):
        return iter(_spans(base, _get(base)))
    if wanted is not None and _TRACE_ID.fullmatch(wanted):
        return iter(_first(base, (f"/api/traces/{wanted}", f"/api/v3/traces/{wanted}"), wanted))
    return _searched_jaeger(base, wanted)


def read_tempo_api(url: str, wanted: str | None = None) -> Iterator[Span]:
    """The same from a Tempo."""
    base, wanted = _split(url, wanted)
    if wanted is not None and _TRACE_ID.fullmatch(wanted):
        return iter(_first(base, (f"/api/v2/traces/{wanted}", f"/api/traces/{wanted}"), wanted))
    return _searched_tempo(base, wanted)


def _split(url: str, wanted: str | None) -> tuple[str, str | None]:
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is no address; expected one such as http://127.0.0.1:16686")
    of_trace = _OF_TRACE.fullmatch(parts.path)
    if of_trace is not None:
        wanted = wanted or of_trace["trace"]
        parts = parts._replace(path=of_trace["base"], query="", fragment="")
    return urllib.parse.urlunsplit(parts).rstrip("/"), wanted


def _first(base: str, paths: tuple[str, ...], wanted: str) -> list[Span]:
    """The spans of the first address that knows the trace: servers differ in which versions they have."""
    for path in paths:
        try:
            spans = list(_spans(base + path, _get(base + path)))
        except MissingError:
            continue
        if spans:
            return spans
    raise MissingError(f"{base} has no trace {wanted}")


def _searched_jaeger(base: str, wanted: str | None) -> Iterator[Span]:
    answer = _get(base + "/api/services")
    services = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(services, list):
        raise InputError(f'{base}/api/services: expected Jaeger\'s {{"data": [names of services]}}')
    seen: set[tuple[str, str]] = set()
    for service in sorted(str(name) for name in services)[:SERVICES_MAX]:
        for tags in _tags(wanted):
            query = urllib.parse.urlencode({"service": service, "limit": TRACES_MAX, "lookback": "2d", **tags})
            address = f"{base}/api/traces?{query}"
            for span in _spans(address, _get(address)):
                if (span.trace_id, span.span_id) not in seen:
                    seen.add((span.trace_id, span.span_id))
                    yield span
    if not seen:
        raise MissingError(f"{base} has no trace{f' of the request {wanted}' if wanted else ''} of the last two days")


def _tags(wanted: str | None) -> list[dict[str, str]]:
    if wanted is None:
        return [{}]
    ids = (wanted, wanted.rpartition("/")[2])
    return [{"tags": json.dumps({name: one})} for name, one in zip(_ID_TAGS, ids, strict=True)]


def _searched_tempo(base: str, wanted: str | None) -> Iterator[Span]:
    query = "{}"
    if wanted is not None:
        tests = zip(_ID_TAGS, (wanted, wanted.rpartition("/")[2]), strict=True)
        query = "{ " + " || ".join(f"span.{name} = {json.dumps(one)}" for name, one in tests) + " }"
    answer = _get(f"{base}/api/search?{urllib.parse.urlencode({'q': query, 'limit': TRACES_MAX})}")
    traces = answer.get("traces") if isinstance(answer, dict) else None
    if traces is not None and not isinstance(traces, list):
        raise InputError(f'{base}/api/search: expected Tempo\'s {{"traces": [...]}}')
    found = sorted({str(trace.get("traceID", "")) for trace in traces or () if isinstance(trace, dict)} - {""})
    if not found:
        raise MissingError(f"{base} has no trace{f' of the request {wanted}' if wanted else ''}")
    for trace_id in found:
        padded = trace_id.rjust(32, "0")
        yield from _first(base, (f"/api/v2/traces/{padded}", f"/api/traces/{padded}"), trace_id)


def _spans(address: str, document: Any) -> Iterator[Span]:
    if isinstance(document, dict) and document.get("data") is None and document.get("errors"):
        raise MissingError(f"{address}: {_complaint(document)}")
    try:
        yield from read_document(document)
    except ValueError as error:
        raise InputError(f"{address}: {error}") from error


def _get(address: str) -> Any:
    request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310  checked in _split
    # No proxy of the environment: the stores that are asked are our own, on loopback or in our network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            content = answer.read(ANSWER_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.NOT_FOUND:
                raise MissingError(f"{address} answers 404") from error
            raise InputError(f"{address} answers {error.code}: {_shown(error.read(500))}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UnreachableError(f"nothing answers at {address}: {reason}") from error
    if len(content) > ANSWER_BYTES_MAX:
        raise InputError(f"{address}: more than {ANSWER_BYTES_MAX} bytes; ask for fewer traces")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{address}: expected JSON, found {_shown(content)}") from error


def _complaint(document: dict[str, Any]) -> str:
    errors = document["errors"]
    first = errors[0] if isinstance(errors, list) and errors else errors
    return str(first.get("msg", first)) if isinstance(first, dict) else str(first)


def _shown(content: bytes) -> str:
    return repr(content[:80].decode(errors="replace").strip())
