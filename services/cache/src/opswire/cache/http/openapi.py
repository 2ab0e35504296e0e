"""The OpenAPI document of the operations' table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opswire.cache.http.models import Refusal
from opswire.cache.http.operations import Operation, Parameter
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

REFERENCE = "#/components/schemas/{model}"


def openapi(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """OpenAPI 3.1 for `operations`."""
    models = {model for one in operations for model in (one.answer, one.body) if model is not None} | {Refusal}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path.replace(":path}", "}"), {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Opswire cache service",
            "version": version,
            "description": "Reading is open, writes need a token.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    page = {"text/html": {"schema": {"type": "string"}}}
    content = page if operation.answer is None else _json(operation.answer)
    refused = {"description": "Refused", "content": _json(Refusal)}
    found: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *map(_query_parameter, operation.parameters)],
        "responses": {str(operation.status): {"description": "Done", "content": content}, "400": refused},
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _json(operation.body)}
    if operation.is_write:
        found["security"] = [{"token": []}]
        found["responses"] |= {"401": refused, "403": refused, "413": refused, "503": refused}
    return found


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part.strip("{}").partition(":")[0] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.most:
        schema = {"type": "integer", "minimum": 1, "maximum": parameter.most, "default": parameter.default}
    return {"name": parameter.name, "in": "query", "description": parameter.means, "schema": schema}
