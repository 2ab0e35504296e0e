"""`python -m opswire.executor.toolbox`: the tool catalogue for the command line, which imports no service.

`list [--intent I] [--asset-type T]`, `show TOOL`, `check [FILE...]`, `try TOOL [NAME=VALUE...]` (nothing is run),
`mcp SERVER` (what it offers is asked of it), `schema` and `schema write`. One JSON document. `OPSWIRE_CATALOGUE_DIR`
names a team's own folder, as for the service.
Ends with status 2 and `{"error": {"message", "advice"}}` where it cannot do what it was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opswire.chassis.errors import OpswireError
from opswire.contracts.taxonomy import IntentName
from opswire.executor.adapters.catalogue_files import CatalogueFiles, text_of
from opswire.executor.adapters.rehearsal import rehearsed
from opswire.executor.adapters.secrets import secrets_of
from opswire.executor.errors import BadArgumentError, BadCatalogueError
from opswire.executor.rules.catalogue import Catalogue, Entry
from opswire.executor.rules.catalogue_reading import read_catalogue
from opswire.executor.rules.catalogue_schema import NAME, schema_text
from opswire.executor.rules.driver_settings import McpTool
from opswire.executor.rules.packaged import packaged_texts
from opswire.executor.rules.parameters import Parameter, Value
from opswire.executor.settings import ExecutorSettings

CANNOT = 2


def listed(catalogue: Catalogue, intent: str | None, asset_type: str | None) -> dict[str, Any]:
    """The tools in short, all or those that serve an intent and an asset type."""
    found = catalogue.serving(IntentName(intent), asset_type) if intent else list(catalogue)
    if asset_type and not intent:
        found = [entry for entry in found if not entry.asset_types or asset_type in entry.asset_types]
    tools = [
        {
            "name": entry.name,
            "does": entry.does,
            "effect": entry.effect.value,
            "risk": entry.risk.value,
            "driver": entry.driver.name,
            "file": catalogue.origins[entry.name],
        }
        for entry in sorted(found, key=lambda entry: entry.name)
    ]
    return {"version": catalogue.version, "tools": tools}


def shown(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """All that one entry says. Raises BadArgumentError."""
    entry: Entry = catalogue.entry(name)
    return {"file": catalogue.origins[name], **entry.model_dump(mode="json", exclude_none=True)}


def checked(files: Sequence[Path], folder: Path | None) -> dict[str, Any]:
    """Every fault of these files beside the package's own, or of the folder where none is named."""
    try:
        if not files:
            return {"tools": len(CatalogueFiles(folder).current), "faults": []}
        texts = {str(path): text_of(path) for path in files}
        found = read_catalogue({**packaged_texts(), **texts})
    except BadCatalogueError as error:
        return {"tools": 0, "faults": list(error.faults)}
    except OSError as error:
        return {"tools": 0, "faults": [f"cannot be read: {error}"]}
    return {"tools": sum(found.origins[entry.name] in texts for entry in found), "faults": []}


def offered(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """What an MCP server of the catalogue offers, and what of it nobody can call: the catalogue gives it no effect.

    Raises BadArgumentError and what reaching the server raises.
    """
    # Imported here: the library takes most of a second.
    from opswire.executor.adapters.mcp_client import McpTools, undeclared

    server = catalogue.mcp_servers.get(name)
    if server is None:
        raise BadArgumentError(f"the catalogue names no MCP server {name!r}")
    settings = ExecutorSettings()
    secrets = secrets_of(settings.drivers().credentials_dir, settings.vault())
    found = asyncio.run(McpTools(settings.drivers(), secrets).offered(name, server))
    drivers = [entry.driver for entry in catalogue if isinstance(entry.driver, McpTool)]
    return {"server": name, "offered": found, "undeclared": undeclared(found, name, drivers)}


def arguments_of(entry: Entry, words: Sequence[str]) -> dict[str, Value]:
    """`name=value` words as the arguments that the tool takes. Raises BadArgumentError."""
    found: dict[str, Value] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise BadArgumentError(f"{word!r} is no NAME=VALUE")
        parameter = entry.parameters.get(name)
        found[name] = _value(name, parameter, text) if parameter is not None else text
    return found


def _value(name: str, parameter: Parameter, text: str) -> Value:
    if parameter.type in ("integer", "port"):
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 19:
            raise BadArgumentError(f"{name} is a whole number, not {text[:40]!r}")
        return int(text)
    if parameter.type == "boolean":
        if text not in ("true", "false"):
            raise BadArgumentError(f"{name} is true or false, not {text[:40]!r}")
        return text == "true"
    if parameter.type == "argv":
        try:
            value: list[str] = json.loads(text)
        except ValueError:
            raise BadArgumentError(f'{name} is a JSON list of texts, such as ["df", "-h"]') from None
        return value
    return text


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m opswire.executor.toolbox")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list")
    listing.add_argument("--intent", choices=[intent.value for intent in IntentName])
    listing.add_argument("--asset-type")
    commands.add_parser("show").add_argument("tool")
    commands.add_parser("check").add_argument("files", nargs="*", type=Path)
    trying = commands.add_parser("try")
    trying.add_argument("tool")
    trying.add_argument("arguments", nargs="*")
    commands.add_parser("mcp").add_argument("server")
    commands.add_parser("schema").add_argument("what", nargs="?", choices=["write"])
    return parser.parse_args(arguments)


def _answer(options: argparse.Namespace, folder: Path | None) -> dict[str, Any]:
    if options.command == "check":
        return checked(options.files, folder)
    if options.command == "schema":
        if options.what == "write":
            (Path(__file__).parent / "catalogue" / NAME).write_text(schema_text(), "utf-8")
        found: dict[str, Any] = json.loads(schema_text())
        return found
    catalogue = CatalogueFiles(folder).current
    if options.command == "list":
        return listed(catalogue, options.intent, options.asset_type)
    if options.command == "mcp":
        return offered(catalogue, options.server)
    if options.command == "show":
        return shown(catalogue, options.tool)
    return rehearsed(catalogue, options.tool, arguments_of(catalogue.entry(options.tool), options.arguments))


def main(arguments: Sequence[str]) -> int:
    """Answer one command; 0, or 2 with the reason in the document."""
    folder = os.environ.get("OPSWIRE_CATALOGUE_DIR")
    try:
        document: dict[str, Any] = _answer(_parse(arguments), Path(folder) if folder else None)
        status = 0
    except OpswireError as error:
        advice = "opswire tools check" if isinstance(error, BadCatalogueError) else "opswire tools list, or show TOOL"
        document, status = {"error": {"message": f"{error.code}: {error}", "advice": advice}}, CANNOT
    print(json.dumps(document, ensure_ascii=False))  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
