"""What keeps messages, routes, schemas and examples together. Each check returns flaws; `check` runs them all.

Every flaw has a code, a place and a text that names the command or the edit which mends it. `tests/bad` holds one
tree for each code, so that a check which stopped to bite is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from opswire.contracts.bounds import field_paths, paths_set, places, unbounded
from opswire.contracts.compatibility import breaking, diff
from opswire.contracts.message import JsonObject
from opswire.contracts.schemas import COMMAND, Key, Tree, digest_of, name_of, schema_of
from opswire.contracts.upcasting import Upcasts
from pydantic import ValidationError


class Code(StrEnum):
    """Everything that can be wrong with a tree."""

    MESSAGE_WITHOUT_ROUTE = "message_without_route"
    ROUTE_WITHOUT_SCHEMA = "route_without_schema"
    SCHEMA_WITHOUT_ROUTE = "schema_without_route"
    VERSION_GAP = "version_gap"
    UPCAST_GAP = "upcast_gap"
    EXAMPLE_WITHOUT_SCHEMA = "example_without_schema"
    EXAMPLE_MISSING = "example_missing"
    EXAMPLE_INVALID = "example_invalid"
    EXAMPLE_NOT_FULL = "example_not_full"
    EXAMPLE_NOT_MINIMAL = "example_not_minimal"
    EXAMPLE_UNKNOWN_FIELD = "example_unknown_field"
    RELEASED_SCHEMA_EDITED = "released_schema_edited"
    RELEASED_SCHEMA_MISSING = "released_schema_missing"
    BREAKING_CHANGE = "breaking_change"
    SCHEMA_STALE = "schema_stale"
    UNBOUNDED_STRING = "unbounded_string"
    UNBOUNDED_LIST = "unbounded_list"
    UNBOUNDED_DICT = "unbounded_dict"
    UNBOUNDED_INTEGER = "unbounded_integer"
    FREE_FORM = "free_form"
    FREE_FORM_UNUSED = "free_form_unused"
    NAN_ALLOWED = "nan_allowed"
    TYPES_NOT_STRICT = "types_not_strict"
    PLAN_NOT_STRICT = "plan_not_strict"
    ENVELOPE_NOT_TOLERANT = "envelope_not_tolerant"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong: its code, the message or place it is about, and how to mend it."""

    code: Code
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.where}: {self.text}"


def check(tree: Tree) -> list[Flaw]:
    """Every flaw of a tree, in the order of the checks."""
    return [flaw for one in CHECKS for flaw in one(tree)]


def check_routes(tree: Tree) -> Iterator[Flaw]:
    """Messages, schemas and routes name the same stems."""
    schemas = tree.schemas()
    for stem in sorted({stem for stem, _ in tree.messages} - tree.routed.keys()):
        yield Flaw(Code.MESSAGE_WITHOUT_ROUTE, stem, "add its Route to contracts/src/opswire/contracts/routes.py")
    for stem, newest in sorted(tree.routed.items()):
        if (stem, newest) not in schemas:
            yield Flaw(Code.ROUTE_WITHOUT_SCHEMA, name_of((stem, newest)), f"run `{COMMAND} write`")
    for key, path in schemas.items():
        if key not in tree.messages and key not in tree.lock():
            text = f"no message and route of this name; delete {path.relative_to(tree.root)} or write the message"
            yield Flaw(Code.SCHEMA_WITHOUT_ROUTE, name_of(key), text)


def check_versions(tree: Tree) -> Iterator[Flaw]:
    """Versions count 1, 2, 3 without a gap up to the routed one, and a chain of upcasts joins them."""
    for stem, newest in sorted(tree.routed.items()):
        there = {version for known, version in tree.messages if known == stem}
        for version in sorted(set(range(1, max(there, default=0) + 1)) - there):
            text = f"there are {sorted(there)}; number the next version {version}"
            yield Flaw(Code.VERSION_GAP, name_of((stem, version)), text)
        if not there or max(there) != newest:
            text = f"the route carries v{newest}, the newest message is v{max(there, default=0)}; route the newest"
            yield Flaw(Code.VERSION_GAP, stem, text)
    for gap in Upcasts(tree.routed, tree.steps).gaps():
        yield Flaw(Code.UPCAST_GAP, "upcasting.py", gap)


def check_frozen(tree: Tree) -> Iterator[Flaw]:
    """A released schema is the one that was released, and a model gives the schema that is stored."""
    lock, schemas = tree.lock(), tree.schemas()
    for key in sorted(lock.keys() - schemas.keys()):
        text = f"it is released and its file is gone; run `{COMMAND} write`, or bring back its model and file"
        yield Flaw(Code.RELEASED_SCHEMA_MISSING, name_of(key), text)
    for key, path in schemas.items():
        edited = key in lock and digest_of(path) != lock[key]
        if edited:
            yield Flaw(Code.RELEASED_SCHEMA_EDITED, name_of(key), _edited_text(key))
        elif key in tree.messages:
            yield from _compare_with_model(tree, key, _json(path), released=key in lock)


def check_bounds(tree: Tree) -> Iterator[Flaw]:
    """Every string, list, mapping and integer is bounded; what may hold any JSON is named in the allow-list."""
    used: set[str] = set()
    for key, path in tree.schemas().items():
        for place in places(_json(path)):
            fault = unbounded(place)
            name = f"{name_of(key)} {place.path}"
            if fault == "free_form" and name in tree.free_form:
                used.add(name)
            elif fault == "free_form":
                yield Flaw(Code.FREE_FORM, name, "give it a type, or name it with its reason in schemas.FREE_FORM")
            elif fault is not None:
                yield Flaw(Code(f"unbounded_{fault}"), name, f"give the {fault} an upper bound (see types.py)")
    for name in sorted(tree.free_form.keys() - used):
        yield Flaw(Code.FREE_FORM_UNUSED, name, "no such place; take it out of schemas.FREE_FORM")


def check_strictness(tree: Tree) -> Iterator[Flaw]:
    """Plans refuse unknown fields, all others ignore them; models refuse NaN, infinity and lax types."""
    for key, path in tree.schemas().items():
        for place in places(_json(path)):
            if "properties" not in place.schema:
                continue
            closed = place.schema.get("additionalProperties") is False
            where = f"{name_of(key)} {place.path}".rstrip()
            if key[0] in tree.strict_stems and not closed:
                yield Flaw(Code.PLAN_NOT_STRICT, where, "derive it from StrictMessage or StrictPart")
            if key[0] not in tree.strict_stems and closed:
                yield Flaw(Code.ENVELOPE_NOT_TOLERANT, where, "derive it from Message or Part")
    for key, message in tree.messages.items():
        lax, endless = _laxness(message.__pydantic_core_schema__)
        if endless:
            yield Flaw(Code.NAN_ALLOWED, name_of(key), f"set allow_inf_nan=False: {', '.join(sorted(endless))}")
        if lax:
            yield Flaw(Code.TYPES_NOT_STRICT, name_of(key), f"set strict=True: {', '.join(sorted(lax))}")


def check_examples(tree: Tree) -> Iterator[Flaw]:
    """Every version has a minimal and a full example, and both are what they say."""
    schemas = tree.schemas()
    for key, folder in tree.examples().items():
        if key not in schemas:
            text = f"delete {folder.relative_to(tree.root)} or write the message"
            yield Flaw(Code.EXAMPLE_WITHOUT_SCHEMA, name_of(key), text)
    for key, path in schemas.items():
        schema, folder = _json(path), tree.examples_path(key)
        missing = [name for name in ("minimal.json", "full.json") if not (folder / name).exists()]
        for name in missing:
            where = f"{name_of(key)}/{name}"
            yield Flaw(Code.EXAMPLE_MISSING, where, f"write examples/{where}; see docs/how-to/add-a-message.md")
        examples = sorted(folder.glob("*.json"))
        invalid = [flaw for example in examples for flaw in _check_example(tree, key, schema, example)]
        yield from invalid
        if not missing and not invalid:
            yield from _check_minimal(tree, key, folder / "minimal.json")
            yield from _check_full(key, schema, folder)


CHECKS: tuple[Callable[[Tree], Iterator[Flaw]], ...] = (
    check_routes,
    check_versions,
    check_frozen,
    check_bounds,
    check_strictness,
    check_examples,
)


def _compare_with_model(tree: Tree, key: Key, stored: JsonObject, *, released: bool) -> Iterator[Flaw]:
    current = schema_of(tree.messages[key])
    if current == stored:
        return
    changes = diff(stored, current)
    broken = breaking(changes)
    listed = "; ".join(str(change) for change in broken or changes) or "the order or the wording differs"
    if not released:
        yield Flaw(Code.SCHEMA_STALE, name_of(key), f"the model has changed ({listed}); run `{COMMAND} write`")
    elif broken:
        yield Flaw(Code.BREAKING_CHANGE, name_of(key), f"{listed}. Undo it in v{key[1]}.py and {_next_version(key)}")
    else:
        text = f"{listed}. v{key[1]} is released: undo it in v{key[1]}.py and {_next_version(key)}"
        yield Flaw(Code.SCHEMA_STALE, name_of(key), text)


def _edited_text(key: Key) -> str:
    return (
        f"a released schema never changes. If only the file was edited, `{COMMAND} write` restores it; "
        f"if the message must change, {_next_version(key)}"
    )


def _next_version(key: Key) -> str:
    return f"add {key[0]}/v{key[1] + 1}.py with a step in upcasting.STEPS (docs/how-to/add-a-message.md)"


def _laxness(core: Any) -> tuple[set[str], set[str]]:
    """The models and fields of a core schema that take lax types, and those that take NaN."""
    lax: set[str] = set()
    endless: set[str] = set()
    waiting: list[tuple[Any, str]] = [(core, "")]
    while waiting:
        node, model = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") == "model":
                model = node["cls"].__name__
                config = node.get("config", {})
                lax |= set() if config.get("strict") is True else {model}
                endless |= set() if config.get("allow_inf_nan") is False else {model}
            lax |= {f"a field of {model}"} if node.get("strict") is False else set()
            endless |= {f"a field of {model}"} if node.get("allow_inf_nan") is True else set()
            waiting.extend((value, model) for key, value in node.items() if key not in ("metadata", "serialization"))
        elif isinstance(node, list | tuple):
            waiting.extend((value, model) for value in node)
    return lax, endless


def _check_example(tree: Tree, key: Key, schema: JsonObject, path: Path) -> Iterator[Flaw]:
    # Only a checkout checks examples, and only there jsonschema is installed: a service that imports the messages
    # needs pydantic and nothing else.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    where = path.relative_to(tree.root).as_posix()
    document = _json(path)
    for error in Draft202012Validator(schema).iter_errors(document):
        yield Flaw(Code.EXAMPLE_INVALID, where, f"the schema refuses {error.json_path}: {error.message[:200]}")
    if key in tree.messages:
        try:
            tree.messages[key].from_bytes(path.read_bytes())
        except ValidationError as refusal:
            first = refusal.errors(include_url=False, include_input=False)[0]
            yield Flaw(Code.EXAMPLE_INVALID, where, f"the model refuses {first['loc']}: {first['msg']}")
    _, unknown = paths_set(document, schema)
    for name in sorted(unknown):
        yield Flaw(Code.EXAMPLE_UNKNOWN_FIELD, where, f"the message has no field {name}; a reader would ignore it")


def _check_minimal(tree: Tree, key: Key, path: Path) -> Iterator[Flaw]:
    """Every field of a minimal example is needed: without it the model refuses."""
    if key not in tree.messages:
        return
    document = _json(path)
    for name in document:
        rest = {other: value for other, value in document.items() if other != name}
        try:
            tree.messages[key].from_bytes(json.dumps(rest).encode())
        except ValidationError:
            continue
        where = path.relative_to(tree.root).as_posix()
        yield Flaw(Code.EXAMPLE_NOT_MINIMAL, where, f"{name} may be left out; leave it out")


def _check_full(key: Key, schema: JsonObject, folder: Path) -> Iterator[Flaw]:
    """The full examples set every field between them: `full_<what>.json` stands beside `full.json` for alternatives."""
    given: set[str] = set()
    for path in sorted(folder.glob("full*.json")):
        given |= paths_set(_json(path), schema)[0]
    for missing in sorted(field_paths(schema) - given):
        yield Flaw(Code.EXAMPLE_NOT_FULL, f"{name_of(key)} {missing}", "no full*.json sets it; set it in full.json")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
