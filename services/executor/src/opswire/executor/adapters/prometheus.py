"""Queries of a Prometheus server that is an asset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opswire.executor.adapters.pinned_http import PinnedHttp, Request
from opswire.executor.errors import AnswerRefusedError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.driver_settings import PrometheusQuery
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.tools import Record, Tool, ToolCall, ToolResult

SERIES_MAX = 200
_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Prometheus:
    """Asks the query API. PromQL only reads."""

    def __init__(self, http: PinnedHttp) -> None:
        self._http = http

    def tool(self, driver: PrometheusQuery, bytes_max: int) -> Tool:
        """The tool that asks this query, or the one in the argument `query`; a record for each series, now."""

        async def ask(call: ToolCall) -> ToolResult:
            asset = call.needed_asset()
            query = filled_query(driver.query, call.step.arguments) if driver.query else call.text("query")
            request = Request("GET", "/api/v1/query", {"query": query, "timeout": f"{call.step.timeout_ms}ms"})
            answer = await self._http.ask(asset, request, bytes_max)
            return _result(asset.name, answer)

        return ask


def promql_text(value: str) -> str:
    """The value as the inside of a PromQL text in double quotes: it ends none and begins none."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def filled_query(query: str, values: Mapping[str, Value]) -> str:
    """The query with the arguments in it; braces that name none are PromQL's own."""
    return _PLACE.sub(lambda match: promql_text(str(values[match[1]])) if match[1] in values else match[0], query)


def _result(name: str, answer: Any) -> ToolResult:
    try:
        kind, found = answer["data"]["resultType"], answer["data"]["result"]
        pairs = [({}, found)] if kind in ("scalar", "string") else [(one["metric"], one["value"]) for one in found]
        records = [_record(labels, value) for labels, value in pairs[:SERIES_MAX]]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise AnswerRefusedError(f"{name} answered something that is no vector of Prometheus") from None
    note = f"Only the first {SERIES_MAX} of {len(pairs)} series are shown." if len(pairs) > SERIES_MAX else ""
    return ToolResult(tuple(records), note)


def _record(labels: dict[str, str], value: list[Any]) -> Record:
    at_s, text = float(value[0]), str(value[1])
    metric = labels.get("__name__", "")
    shown = ", ".join(f"{key}={each}" for key, each in sorted(labels.items()) if key != "__name__")
    number = float(text)
    return {
        "metric": plain(metric, 200),
        "labels": plain(shown, 1_000),
        # Not a number and infinity are values to Prometheus and none to JSON.
        "value": number if number - number == 0 else text,
        "at": datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds"),
    }
