"""The spans that end in a test, beside none that anybody exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opswire.chassis.telemetry import Span, exporter


class _Kept:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.errors: list[Exception] = []

    def write(self, spans: Sequence[Span]) -> None:
        self.spans += spans

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def recorded_spans() -> Iterator[list[Span]]:
    """Every span that ends within; complete once the block is over."""
    kept = _Kept()
    exporter.start([kept], kept.errors.append)
    try:
        yield kept.spans
    finally:
        exporter.stop()
    assert kept.errors == []
