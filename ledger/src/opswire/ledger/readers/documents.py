"""Which form a JSON document has, and its spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opswire.ledger.model import Span
from opswire.ledger.readers.jaeger import read_jaeger
from opswire.ledger.readers.otlp import read_otlp

EXPECTED = 'a JSON object with "resourceSpans" (OTLP), "data" or "spans" (Jaeger), or "batches" or "trace" (Tempo)'
_WRAPPERS = ("trace", "result")


def read_document(document: Any) -> Iterable[Span]:
    """The spans of a parsed document of any form that is known. Raises ValueError, which says what was expected."""
    if isinstance(document, list):
        return _all(document)
    if not isinstance(document, Mapping):
        raise ValueError(f"expected {EXPECTED}, found {_kind(document)}")
    if "resourceSpans" in document or "batches" in document:
        return read_otlp(document)
    if "data" in document or "spans" in document:
        return read_jaeger(document)
    for wrapper in _WRAPPERS:
        if isinstance(document.get(wrapper), Mapping):
            return read_document(document[wrapper])
    if not document:
        return ()
    found = ", ".join(repr(str(name)) for name in list(document)[:5])
    raise ValueError(f"expected {EXPECTED}, found an object with {found}")


def _all(documents: list[Any]) -> Iterator[Span]:
    for document in documents:
        yield from read_document(document)


def _kind(value: object) -> str:
    names = {str: "a text", int: "a number", float: "a number", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "something else")
