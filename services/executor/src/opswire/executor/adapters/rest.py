"""Requests that the catalogue describes: to the HTTP endpoint of an asset, and to the API server of a cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from opswire.contracts.types import Cell
from opswire.executor.adapters.pinned_http import JSON, PinnedHttp, Request
from opswire.executor.errors import AnswerRefusedError, BadArgumentError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.driver_settings import KubernetesCall, RestCall
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.templates import MissingValueError, rendered
from opswire.executor.rules.tools import Judgement, Record, Tool, ToolCall, ToolResult, Verdict

ROWS_MAX = 200
PAUSE_S = 0.5
PROBE_SHARE = 0.8
# What Kubernetes merges by the keys of its own types; other servers take plain JSON.
STRATEGIC = "application/strategic-merge-patch+json"
_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Rest:
    """Fills in requests and reads answers."""

    def __init__(self, http: PinnedHttp) -> None:
        self._http = http

    def tool(self, driver: RestCall | KubernetesCall, bytes_max: int) -> Tool:
        """The tool that makes this request. With `expect` it is a probe: asked again until it holds or time is up."""
        scheme = "https" if isinstance(driver, KubernetesCall) else None

        async def ask(call: ToolCall) -> ToolResult:
            asset = call.needed_asset()
            request = filled_request(driver, call.step.arguments)
            if not driver.expect:
                return _result(driver, asset.name, await self._http.ask(asset, request, bytes_max, scheme=scheme))
            wanted = {place: rendered(text, call.step.arguments) for place, text in driver.expect.items()}
            loop = asyncio.get_running_loop()
            ends_at = loop.time() + call.step.timeout_ms / 1_000 * PROBE_SHARE
            while True:
                answer = await self._http.ask(asset, request, bytes_max, scheme=scheme)
                verdict = _verdict(answer, wanted)
                if verdict.status is Judgement.PASS or loop.time() + PAUSE_S > ends_at:
                    found = _result(driver, asset.name, answer)
                    return ToolResult(found.records, found.note, verdict)
                await asyncio.sleep(PAUSE_S)

        return ask


def filled_request(driver: RestCall | KubernetesCall, values: Mapping[str, Value]) -> Request:
    """The request with its placeholders filled in, each escaped for its place. Raises BadArgumentError."""
    try:
        path = _PLACE.sub(lambda match: _segment(values, match[1]), driver.path)
        query = {name: str(rendered(text, values)) for name, text in driver.query.items()}
        body = _filled_body(driver.body, values) if driver.body is not None else None
    except MissingValueError as error:
        raise BadArgumentError(f"the argument {error.args[0]} is not given") from None
    patches = driver.method == "PATCH" and isinstance(driver, KubernetesCall)
    return Request(driver.method, path, query, body, STRATEGIC if patches else JSON)


def _segment(values: Mapping[str, Value], name: str) -> str:
    if name not in values:
        raise MissingValueError(name)
    text = str(values[name])
    if text in ("", ".", ".."):
        raise BadArgumentError(f"{name} is {text!r}, which is no name in a path")
    return quote(text, safe="")


def _filled_body(value: Any, values: Mapping[str, Value]) -> Any:
    if isinstance(value, str):
        return rendered(value, values)
    if isinstance(value, dict):
        return {name: _filled_body(each, values) for name, each in value.items()}
    return [_filled_body(each, values) for each in value] if isinstance(value, list) else value


def at(document: Any, place: str) -> Any:
    """What stands at a place of a JSON document; None where nothing does."""
    for name in place.split(".") if place else ():
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def _verdict(answer: Any, wanted: Mapping[str, Value]) -> Verdict:
    found = {place: at(answer, place) for place in wanted}
    wrong = [place for place, value in wanted.items() if str(found[place]) != str(value)]
    said = ", ".join(f"{place} is {plain(str(found[place]), 80)}, {wanted[place]} wanted" for place in wrong)
    if wrong:
        return Verdict(Judgement.FAIL, said)
    return Verdict(Judgement.PASS, ", ".join(f"{place} is {wanted[place]}" for place in wanted))


def _result(driver: RestCall | KubernetesCall, name: str, answer: Any) -> ToolResult:
    found = at(answer, driver.rows) if driver.rows else [answer]
    if not isinstance(found, list):
        raise AnswerRefusedError(f"{name} answered without the list {driver.rows}")
    records = [_record(driver, name, one) for one in found[:ROWS_MAX]]
    note = f"Only the first {ROWS_MAX} of {len(found)} are shown." if len(found) > ROWS_MAX else ""
    return ToolResult(tuple(records), note)


def _record(driver: RestCall | KubernetesCall, name: str, one: Any) -> Record:
    if not driver.columns:
        return {"asset": name, "answer": _cell(one)}
    return {"asset": name, **{column: _cell(at(one, place)) for column, place in driver.columns.items()}}


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return plain(value if isinstance(value, str) else orjson.dumps(value, default=str).decode())
