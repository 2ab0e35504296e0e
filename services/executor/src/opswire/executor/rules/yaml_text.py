"""YAML that people write for us: no aliases, no key twice, no endless text; faults as one sentence. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

CHARACTERS_MAX = 1_000_000
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """A safe loader that also refuses what a reader of the file would not see."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases are not taken", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(content: bytes, model: type[ModelT]) -> ModelT:
    """The document as a model. Raises ValueError: one sentence that says where and what."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 text: byte {error.start}") from error
    document = document_of(text)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ValueError(_sentence(error, document)) from error


def document_of(text: str) -> Any:
    """What the text holds: mappings, lists, texts, numbers. Raises ValueError as `read_yaml`."""
    if len(text) > CHARACTERS_MAX:
        raise ValueError(f"longer than {CHARACTERS_MAX:,} characters")
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a safe loader that refuses more
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"line {mark.line + 1 if mark else 1}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise ValueError(f"no YAML that is taken here: {' '.join(str(error).split())[:300]}") from error


def _sentence(error: ValidationError, document: Any) -> str:
    faults = error.errors(include_url=False, include_input=False)
    told = [f"{_place(fault['loc'], document)}: {fault['msg'].removeprefix('Value error, ')}" for fault in faults[:3]]
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return "; ".join(told) + more


def _place(location: tuple[int | str, ...], document: Any) -> str:
    """`rules.3.when`; `rules.3 (night-watch).when` where the item has a name. Items counted from one, as people do."""
    parts = []
    for part in location:
        try:
            document = document[part]
        except (LookupError, TypeError):
            document = None  # what is missing, or a place that the document spells otherwise
        name = document.get("name") if isinstance(part, int) and isinstance(document, dict) else None
        shown = f" ({ascii(name)[1:-1][:64]})" if isinstance(name, str) and name else ""
        parts.append(f"{part + 1 if isinstance(part, int) else part}{shown}")
    return ".".join(parts) or "the file"
