"""YAML texts into a catalogue: strict, and each fault is one sentence that names file, tool and field. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from opswire.executor.errors import BadCatalogueError
from opswire.executor.rules.catalogue import READS, CallTemplate, Catalogue, CatalogueFile, Entry
from opswire.executor.rules.driver_settings import (
    McpServer,
    McpTool,
    PrometheusQuery,
    SqlQuery,
    gives_verdict,
    templates_of,
)
from opswire.executor.rules.templates import places
from opswire.executor.rules.yaml_text import document_of
from pydantic import ValidationError

_ALWAYS_KNOWN = frozenset({"request_id", "step"})
_FIELDS_WITHOUT_WHICH = {
    "effect": "a tool without an effect is refused: say none, read, write or destroy",
    "risk": "a tool without a risk is refused: say LOW, MEDIUM, HIGH or CRITICAL",
}


def read_catalogue(files: Mapping[str, str]) -> Catalogue:
    """The catalogue of these files, given as name to text. Raises BadCatalogueError with a sentence for each fault."""
    faults: list[str] = []
    entries: dict[str, Entry] = {}
    origins: dict[str, str] = {}
    servers: dict[str, McpServer] = {}
    for name, text in sorted(files.items()):
        read = _read_file(name, text, faults)
        for server, where in (read.mcp_servers if read else {}).items():
            if server in servers:
                faults.append(f"{name}: mcp_servers.{server}: another file holds a server of this name already")
            servers[server] = where
        for entry in read.tools if read else ():
            if entry.name in entries:
                faults.append(f"{name}: {entry.name}: name: {origins[entry.name]} holds a tool of this name already")
                continue
            entries[entry.name], origins[entry.name] = entry, name
    for entry in entries.values():
        faults += [
            f"{origins[entry.name]}: {entry.name}: {fault}" for fault in _faults_between(entry, entries, servers)
        ]
    if faults:
        raise BadCatalogueError(faults)
    return Catalogue(entries.values(), origins, servers)


def _read_file(name: str, text: str, faults: list[str]) -> CatalogueFile | None:
    try:
        document = document_of(text)
    except ValueError as error:
        faults.append(f"{name}: {error}")
        return None
    try:
        # As JSON: there a text is a name of an effect, and "5" is no number.
        return CatalogueFile.model_validate_json(json.dumps(document, allow_nan=False), strict=True)
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            faults.append(f"{name}: holds what is neither text, number, list nor mapping: {str(error)[:200]}")
            return None
        faults += [f"{name}: {_sentence(dict(fault), document)}" for fault in error.errors(include_url=False)]
        return None


def _sentence(fault: Mapping[str, Any], document: Any) -> str:
    """`tool: field: what is wrong`; the tool by its name where it has one, else by its place."""
    place = [str(part) for part in fault["loc"]]
    told = str(fault["msg"]).removeprefix("Value error, ")
    parts = []
    if len(place) >= 2 and place[0] == "tools":
        parts.append(_tool_name(document, int(place[1])))
        place = place[2:]
    field = ".".join(place)
    if fault["type"] == "missing" and field in _FIELDS_WITHOUT_WHICH:
        told = _FIELDS_WITHOUT_WHICH[field]
    elif fault["type"] == "missing":
        told = "is missing"
    elif fault["type"] == "extra_forbidden":
        told = "is no field that is known here"
    return ": ".join([*parts, *([field] if field else []), told])


def _tool_name(document: Any, place: int) -> str:
    try:
        name = document["tools"][place]["name"]
    except (LookupError, TypeError):
        name = None
    return ascii(name)[1:-1][:64] if isinstance(name, str) and name else f"tool {place + 1}"


def _faults_between(entry: Entry, entries: Mapping[str, Entry], servers: Mapping[str, McpServer]) -> list[str]:
    """What can be wrong only in sight of the other tools: placeholders, verifications and reverse steps."""
    known = entry.parameters.keys() | _ALWAYS_KNOWN
    used = {place for template in templates_of(entry.driver) for place in places(template)}
    faults = [f"driver: {{{place}}} is no parameter of the tool" for place in sorted(used - entry.parameters.keys())]
    if isinstance(entry.driver, McpTool) and entry.driver.server not in servers:
        faults.append(f"driver: no file names an MCP server {entry.driver.server}")
    faults += _faults_of_query(entry)
    for field, call in (("verification", entry.verification), ("reverse", entry.reverse)):
        if call is None:
            continue
        target = entries.get(call.tool)
        if target is None:
            faults.append(f"{field}: there is no tool {call.tool}")
            continue
        if field == "verification" and target.effect not in READS:
            faults.append(f"{field}: {call.tool} changes something itself")
        elif field == "verification" and not gives_verdict(target.driver):
            faults.append(f"{field}: {call.tool} says neither pass nor fail; give its driver `expect`")
        faults += [f"{field}: {fault}" for fault in _faults_of_call(call, target, known)]
    return faults


def _faults_of_query(entry: Entry) -> list[str]:
    """A free query needs its parameter; in PromQL a value is safe inside quotes or where its form is known."""
    driver = entry.driver
    if isinstance(driver, SqlQuery) and driver.sql is None and "sql" not in entry.parameters:
        return ["driver: without sql the tool needs a parameter sql"]
    if not isinstance(driver, PrometheusQuery):
        return []
    if driver.query is None:
        return [] if "query" in entry.parameters else ["driver: without query the tool needs a parameter query"]
    bare = places(re.sub(r'"(?:[^"\\]|\\.)*"', "", driver.query))
    loose = [
        name
        for name in sorted(bare & entry.parameters.keys())
        if entry.parameters[name].type == "text" and not (entry.parameters[name].enum or entry.parameters[name].pattern)
    ]
    return [f"driver: {{{name}}} stands outside of quotes and needs an enum or a pattern" for name in loose]


def _faults_of_call(call: CallTemplate, target: Entry, known: set[str] | frozenset[str]) -> list[str]:
    faults = [f"{call.tool} takes no argument {name}" for name in call.arguments if name not in target.parameters]
    for name, parameter in target.parameters.items():
        if parameter.required and name not in call.arguments:
            faults.append(f"{call.tool} needs the argument {name}")
    for value in call.arguments.values():
        unknown = places(value) - known if isinstance(value, str) else set()
        faults += [f"{{{place}}} is no parameter of the tool" for place in sorted(unknown)]
    return faults
