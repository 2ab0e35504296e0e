"""What a tool would send, without sending it: for people who look before they approve or write a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opswire.executor.adapters.prometheus import filled_query
from opswire.executor.adapters.rest import filled_request
from opswire.executor.adapters.ssh import quoted
from opswire.executor.adapters.windows import script_of
from opswire.executor.rules.catalogue import Catalogue, Entry
from opswire.executor.rules.driver_settings import (
    KubernetesCall,
    LocalCommand,
    McpTool,
    OwnDriver,
    PrometheusQuery,
    PythonFunction,
    RestCall,
    SqlQuery,
    SshCommand,
    WindowsCommand,
)
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.templates import filled_argv
from opswire.executor.usecases.steps import StepDraft

REQUEST_ID = "REQUEST"
_OF_THE_STEP = ("tool", "effect", "risk", "arguments", "timeout_ms")


def rehearsed(catalogue: Catalogue, name: str, arguments: Mapping[str, Value]) -> dict[str, Any]:
    """The step as a plan would hold it, and what would be sent. Raises BadArgumentError or PathRefusedError."""
    step = StepDraft(name, arguments=arguments).step(1, REQUEST_ID, catalogue).model_dump(mode="json")
    entry = catalogue.entry(name)
    return {field: step[field] for field in _OF_THE_STEP} | {
        "sends": would_send(entry, arguments),
        "verification": step["verification"],
        "unverified": entry.unverified,
        "reverse": step["reverse"],
        "irreversible": entry.irreversible,
    }


def would_send(entry: Entry, values: Mapping[str, Value]) -> str:
    """The command, request or query in one line, as the driver would send it."""
    driver = entry.driver
    match driver:
        case OwnDriver(name="command.run"):
            argv = values["argv"]
            return f"on the host: {quoted(argv)}" if isinstance(argv, list) else ""
        case OwnDriver():
            return f"what {driver.name} does: {entry.does}"
        case SshCommand():
            return f"on the host: {quoted(filled_argv(driver.argv, values))}"
        case LocalCommand():
            return f"on the executor's machine, in the lab alone: {quoted(filled_argv(driver.argv, values))}"
        case WindowsCommand():
            return f"PowerShell on the host: {script_of(driver.argv, values)}"
        case SqlQuery():
            bound = ", ".join(f"{key}={value!r}" for key, value in values.items()) if driver.sql else ""
            return f"{driver.sql or values.get('sql')}" + (f" with {bound} bound" if bound else "")
        case PrometheusQuery():
            return filled_query(driver.query, values) if driver.query else str(values.get("query"))
        case RestCall() | KubernetesCall():
            request = filled_request(driver, values)
            query = "&".join(f"{key}={value}" for key, value in request.query.items())
            body = f" with {request.body}" if request.body is not None else ""
            return f"{request.method} {request.path}{'?' + query if query else ''}{body}"
        case McpTool():
            return f"the tool {driver.tool} of the MCP server {driver.server}"
        case PythonFunction():
            return f"the function {driver.function} of the plugin {driver.plugin}"
