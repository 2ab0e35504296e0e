"""The JSON schema of a catalogue file, for editors and for teams that write their own. Pure."""

from __future__ import annotations

import json

from opswire.executor.rules.catalogue import CatalogueFile

NAME = "catalogue.schema.json"


def schema_text() -> str:
    """The schema as it stands in the package, made of the models."""
    schema = CatalogueFile.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A file of Opswire's tools", **schema}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
