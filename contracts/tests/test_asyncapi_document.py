"""The generated documents are in step with the routes, and are what AsyncAPI 3.0 asks for."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from opswire.contracts import asyncapi
from opswire.contracts.envelope import Envelope
from opswire.contracts.routes import ROUTES
from opswire.contracts.schemas import this_tree

SPECIFICATION = Path(__file__).parent / "data" / "asyncapi-3.0.0-without-id.json.gz"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi.document(this_tree())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def target(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_the_documents_are_in_step_with_the_routes(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncapi.main(["check"]) == 0, capsys.readouterr().out


def test_a_stale_document_names_the_command_that_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "contracts"
    shutil.copytree(this_tree().root / "examples", root / "examples")
    (root / "pyproject.toml").touch()
    assert asyncapi.main(["check", "--root", str(root)]) == 1
    assert "python -m opswire.contracts.asyncapi write" in capsys.readouterr().out
    assert asyncapi.main(["write", "--root", str(root)]) == 0
    assert asyncapi.main(["check", "--root", str(root)]) == 0
    (tmp_path / "docs" / "flow.md").write_text("edited")
    assert asyncapi.main(["check", "--root", str(root)]) == 1


def test_it_is_a_valid_asyncapi_document(document: dict[str, Any]) -> None:
    specification = json.loads(gzip.decompress(SPECIFICATION.read_bytes()))
    validator = Draft7Validator(specification)
    assert [error.message[:300] for error in validator.iter_errors(document)] == []
    assert not validator.is_valid(document | {"channels": {"broken": {"adress": "misspelt"}}})


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        assert isinstance(target(document, reference), dict), reference


def test_operations_and_channels_are_the_routes(document: dict[str, Any]) -> None:
    assert {name: channel["address"] for name, channel in document["channels"].items()} == {
        route.stem: route.template for route in ROUTES
    }
    wanted = {f"{sender}.send.{route.stem}" for route in ROUTES for sender in route.senders}
    wanted |= {f"{consumer.service}.receive.{route.stem}" for route in ROUTES for consumer in route.consumers}
    wanted |= {f"{watcher}.receive.{route.stem}" for route in ROUTES for watcher in route.watchers}
    assert set(document["operations"]) == wanted
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_examples_fit_the_payload_schemas_of_the_document(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    assert len(messages) == len(this_tree().messages)
    for message in messages.values():
        schema = message["payload"] | {"components": document["components"]}
        for example in message["examples"]:
            Draft202012Validator(schema).validate(example["payload"])


def test_headers_that_we_write_are_all_documented(document: dict[str, Any]) -> None:
    written = Envelope(
        id="1",
        source="s",
        type="t",
        time="t",
        subject="s",
        traceparent="t",
        message_id="m",
        deadline_ms=1,
        is_fresh=True,
    ).to_headers()
    assert set(document["components"]["schemas"]["Headers"]["properties"]) == set(written)


def test_the_flow_shows_every_route() -> None:
    text = asyncapi.flow(ROUTES)
    for route in ROUTES:
        assert f"`{route.template}`" in text
        assert f"|{route.stem}|" in text


def test_parts_of_one_name_and_two_shapes_are_kept_apart() -> None:
    definitions: dict[str, Any] = {}
    one = {"$ref": "#/$defs/Part", "$defs": {"Part": {"type": "object"}}}
    two = {"$ref": "#/$defs/Part", "$defs": {"Part": {"type": "string", "maxLength": 1}}}
    assert asyncapi._lift_definitions("a.v1", one, definitions) == {"$ref": "#/components/schemas/Part"}
    assert asyncapi._lift_definitions("b.v1", two, definitions) == {"$ref": "#/components/schemas/b.v1.Part"}
    assert set(definitions) == {"Part", "b.v1.Part"}
