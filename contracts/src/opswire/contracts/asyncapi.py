"""Documents made from the route table: docs/asyncapi.json (AsyncAPI 3.0) and docs/flow.md.

python -m opswire.contracts.asyncapi write|check
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from opswire.contracts import envelope
from opswire.contracts.message import JsonObject, Message, message_type
from opswire.contracts.route import Route
from opswire.contracts.routes import ROUTES
from opswire.contracts.schemas import Tree, this_tree

COMMAND = "python -m opswire.contracts.asyncapi"
ASYNCAPI_VERSION = "3.0.0"

_PARAMETERS = {
    "source": "The upstream, [a-z0-9-]{1,32}. The broker lets each write under its own name only.",
    "request_id": "Chosen by the upstream, [A-Za-z0-9_-]{1,64}. Source and id together are the request's key.",
    "asset_id": "The asset that changed, or is locked.",
    "service": "The service that parked the message.",
    "parked_id": "The parked record; the same for the same message.",
    "due_s": "The second, since 1970, in which deadlines fall due.",
    "holder_id": "The process that caches; a new one at every start.",
    "nonce": "The nonce of the invalidation.",
    "query_id": "The question's own id.",
    "round": "Which asking for approval: 1, and one more whenever a target changed meanwhile.",
    "approver": "The public nkey of the person who decides.",
    "number": "The step's number in the plan.",
}
_HEADERS: dict[str, tuple[str, JsonObject]] = {
    envelope.HEADER_SPECVERSION: ("The version of CloudEvents.", {"const": envelope.SPECVERSION}),
    envelope.HEADER_ID: ("Names the message; with ce-source it is unique.", {}),
    envelope.HEADER_SOURCE: ("Who sends it. Proves nothing: the subject does.", {}),
    envelope.HEADER_TYPE: ("Stem and version of the message.", {}),
    envelope.HEADER_TIME: ("When it was made, RFC 3339.", {}),
    envelope.HEADER_SUBJECT: ("What it is about.", {}),
    envelope.HEADER_CONTENT_TYPE: ("application/cloudevents+json says structured mode.", {}),
    envelope.HEADER_TRACEPARENT: ("W3C trace context.", {}),
    envelope.HEADER_MESSAGE_ID: ("The broker stores a repeated publish with the same value once.", {}),
    envelope.HEADER_FRESH: ("1: nothing that a tool read for another request may answer.", {"pattern": "^1$"}),
    envelope.HEADER_DEADLINE: ("The absolute deadline in milliseconds since 1970.", {"pattern": "^[0-9]{1,16}$"}),
}


def document(tree: Tree) -> JsonObject:
    """The AsyncAPI document of all routes, with every version of their messages and its examples."""
    definitions: dict[str, JsonObject] = {}
    messages = {_message_key(message): _message(tree, message, definitions) for message in _ordered(tree)}
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Opswire",
            "version": installed_version("opswire-contracts"),
            "description": f"Who sends what to whom. Generated from the route table by `{COMMAND} write`.",
        },
        "defaultContentType": envelope.CONTENT_TYPE_JSON,
        "servers": {
            "nats": {
                "host": "{host}:{port}",
                "protocol": "nats",
                "description": "NATS with JetStream.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
            }
        },
        "channels": {route.stem: _channel(tree, route) for route in ROUTES},
        "operations": {name: operation for route in ROUTES for name, operation in _operations(tree, route)},
        "components": {"messages": messages, "schemas": {"Headers": _headers(), **dict(sorted(definitions.items()))}},
    }


def flow(routes: Sequence[Route]) -> str:
    """docs/flow.md: a picture and a table of the routes."""
    edges = dict.fromkeys(edge for route in routes for edge in _edges(route))
    rows = [
        "| message | subject | stream | from | to | durable consumers | once |",
        "|---|---|---|---|---|---|---|",
        *(_row(route) for route in routes),
    ]
    return "\n".join(
        [
            "# Who sends what to whom",
            "",
            f"<!-- Generated from contracts/src/opswire/contracts/routes.py by `{COMMAND} write`; do not edit. -->",
            "",
            "A solid arrow is a durable consumer: the broker keeps the message until one replica of that service has",
            "handled it. A dotted arrow is a reader on its own. `once`: the broker refuses a second message on",
            "the same subject. The same table for tools: [asyncapi.json](asyncapi.json).",
            "",
            "```mermaid",
            "flowchart LR",
            *(f"    {edge}" for edge in edges),
            "```",
            "",
            *rows,
            "",
        ]
    )


def outputs(tree: Tree) -> dict[Path, str]:
    """Every generated document and its text."""
    docs = tree.root.parent / "docs"
    text = json.dumps(document(tree), indent=2, ensure_ascii=False) + "\n"
    return {docs / "asyncapi.json": text, docs / "flow.md": flow(ROUTES)}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. `check` answers 1 when a document is not what the routes say."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="AsyncAPI document and flow diagram from the routes.")
    parser.add_argument("action", choices=("check", "write"))
    parser.add_argument("--root", type=Path, help="the contracts folder; this checkout's by default")
    options = parser.parse_args(arguments)
    wanted = outputs(this_tree(options.root))
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if options.action == "check":
        sys.stdout.writelines(f"docs/{path.name} is stale: run `{COMMAND} write`\n" for path in stale)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    sys.stdout.writelines(f"wrote docs/{path.name}\n" for path in stale)
    return 0


def _ordered(tree: Tree) -> list[type[Message]]:
    """Every message version, in the order of the routes."""
    return [tree.messages[key] for route in ROUTES for key in sorted(tree.messages) if key[0] == route.stem]


def _message_key(message: type[Message]) -> str:
    return f"{message.STEM}.v{message.VERSION}"


def _message(tree: Tree, message: type[Message], definitions: dict[str, JsonObject]) -> JsonObject:
    payload = message.model_json_schema(mode="validation")
    lifted = _lift_definitions(_message_key(message), payload, definitions)
    description = lifted.pop("description", "")
    name = message_type(message)
    typed = {"type": "object", "properties": {envelope.HEADER_TYPE: {"const": name}}}
    return {
        "name": name,
        "title": message.__name__,
        "summary": description.partition("\n")[0],
        "contentType": envelope.CONTENT_TYPE_JSON,
        "headers": {"allOf": [{"$ref": "#/components/schemas/Headers"}, typed]},
        "payload": lifted,
        "examples": [
            {"name": path.stem, "payload": json.loads(path.read_text(encoding="utf-8"))}
            for path in sorted(tree.examples_path((message.STEM, message.VERSION)).glob("*.json"))
        ],
    }


def _lift_definitions(owner: str, payload: JsonObject, definitions: dict[str, JsonObject]) -> JsonObject:
    """Move `$defs` to the document's components, since a reference counts from the top of the whole document.

    Two messages that share a part share its entry. Parts of one name and two shapes are told apart by their owner.
    """
    parts = payload.pop("$defs", {})
    names = {name: name for name in parts}
    while True:
        moved = {names[name]: _pointed(part, names) for name, part in parts.items()}
        taken = [name for name in parts if definitions.get(names[name], moved[names[name]]) != moved[names[name]]]
        if not taken:
            break
        names |= {name: f"{owner}.{name}" for name in taken}
    definitions |= moved
    pointed: JsonObject = _pointed(payload, names)
    return pointed


def _pointed(schema: Any, names: dict[str, str]) -> Any:
    """A copy whose references point to the components of the document."""
    if isinstance(schema, list):
        return [_pointed(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": "#/components/schemas/" + names[schema["$ref"].removeprefix("#/$defs/")]}
    return {
        key: _pointed(value, names) for key, value in schema.items() if not (key == "title" and isinstance(value, str))
    }


def _headers() -> JsonObject:
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode, the trace and the deadline. All are optional for an upstream.",
        "properties": {
            name: {"type": "string", "description": text, **limits} for name, (text, limits) in _HEADERS.items()
        },
    }


def _channel(tree: Tree, route: Route) -> JsonObject:
    versions = sorted(key for key in tree.messages if key[0] == route.stem)
    channel: JsonObject = {
        "address": route.template,
        "messages": {f"v{version}": {"$ref": f"#/components/messages/{stem}.v{version}"} for stem, version in versions},
        "servers": [{"$ref": "#/servers/nats"}],
        "x-stream": route.stream,
        "x-once": route.once,
    }
    variables = re.findall(r"\{(\w+)\}", route.template)
    if variables:
        channel["parameters"] = {name: {"description": _described(name)} for name in variables}
    return channel


def _described(variable: str) -> str:
    if variable not in _PARAMETERS:
        raise LookupError(f"say what the subject's variable {variable!r} is in _PARAMETERS of contracts/asyncapi.py")
    return _PARAMETERS[variable]


def _operations(tree: Tree, route: Route) -> Iterator[tuple[str, JsonObject]]:
    """One operation for each service that sends the message, and one for each that reads it."""
    channel = {"$ref": f"#/channels/{route.stem}"}
    versions = sorted(version for stem, version in tree.messages if stem == route.stem)
    newest = {"$ref": f"#/channels/{route.stem}/messages/v{route.message.VERSION}"}
    every = [{"$ref": f"#/channels/{route.stem}/messages/v{version}"} for version in versions]
    for service in route.senders:
        # An upstream keeps sending the version it was written for; our own services send the newest.
        sent = every if service == "upstream" else [newest]
        yield f"{service}.send.{route.stem}", _operation("send", service, channel, sent)
    for consumer in route.consumers:
        operation = _operation("receive", consumer.service, channel, every)
        yield f"{consumer.service}.receive.{route.stem}", operation | {"x-durable": consumer.durable}
    for service in route.watchers:
        yield f"{service}.receive.{route.stem}", _operation("receive", service, channel, every)


def _operation(action: str, service: str, channel: JsonObject, messages: list[JsonObject]) -> JsonObject:
    return {"action": action, "channel": channel, "messages": messages, "tags": [{"name": service}]}


def _edges(route: Route) -> Iterator[str]:
    readers = [(consumer.service, "-->") for consumer in route.consumers]
    readers += [(service, "-.->") for service in route.watchers if service not in route.senders]
    readers = readers or [(f"{route.stream}[({route.stream})]", "-->")]
    for sender in route.senders:
        yield from (f"{sender} {arrow}|{route.stem}| {reader}" for reader, arrow in readers)


def _row(route: Route) -> str:
    readers = [consumer.service for consumer in route.consumers] + list(route.watchers)
    durables = ", ".join(f"`{consumer.durable}`" for consumer in route.consumers)
    cells = (
        f"`{route.stem}` v{route.message.VERSION}",
        f"`{route.template}`",
        f"`{route.stream}`",
        ", ".join(route.senders),
        ", ".join(readers) or "kept for reading",
        durables or "none",
        "yes" if route.once else "no",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
