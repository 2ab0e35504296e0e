"""Log lines: the trace and request that each belongs to, our own and the libraries', and no secret in any."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog
from opswire.chassis.logs import configure_logs, get_logger
from opswire.chassis.redaction import REDACTED
from opswire.chassis.telemetry import remote_child

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def _restored() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


@pytest.mark.usefixtures("_restored")
def test_every_line_names_its_trace_and_request(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("intent", "INFO")
    with remote_child("process", f"00-{TRACE}-{PARENT}-01", "test/r1", {}) as current:
        get_logger().info("ours", token="secret")
        logging.getLogger("some.library").warning("theirs")
    get_logger().info("of no request")
    ours, theirs, outside = map(orjson.loads, capsys.readouterr().out.splitlines())
    wanted = {"trace_id": TRACE, "span_id": current.span_id, "request": "test/r1", "service": "intent"}
    assert wanted.items() <= ours.items()
    assert wanted.items() <= theirs.items()
    assert ours["token"] == REDACTED
    assert "trace_id" not in outside
    assert ours["timestamp"][:16] == theirs["timestamp"][:16]
    assert theirs["timestamp"].endswith("Z")
