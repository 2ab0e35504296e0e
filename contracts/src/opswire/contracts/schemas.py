"""The frozen schemas: one JSON Schema per message and version, and the lock that says which are released.

    python -m opswire.contracts.schemas check      every check below; 1 when one fails
    python -m opswire.contracts.schemas write      write the schemas of versions that are not released
    python -m opswire.contracts.schemas release    lock every schema that is not locked yet

A released schema never changes: readers that we do not know rely on it. A change is a new version in a new file.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import opswire.contracts
from opswire.contracts.message import JsonObject, Message, message_type
from opswire.contracts.routes import ROUTES
from opswire.contracts.upcasting import STEPS, Steps

COMMAND = "python -m opswire.contracts.schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
LOCK_NAME = "RELEASED.json"
Key = tuple[str, int]

FREE_FORM: dict[str, str] = {
    "request_submitted/v1 event.payload": (
        "an upstream's own event, which we do not define; the chassis' reader bounds its size, depth and numbers, "
        "and the model bounds its keys to 1,000"
    ),
}
"""`<stem>/v<version> <path>` of every place that may hold any JSON, and why."""

STRICT_STEMS = frozenset({"plan_made", "approval_requested"})
"""Messages in which an unknown field is an error. Every other message ignores what it does not know."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Messages, routes and the folder that holds `schemas/` and `examples/`: all that the checks look at."""

    root: Path
    messages: Mapping[Key, type[Message]]
    routed: Mapping[str, int]
    steps: Steps = field(default_factory=dict)
    free_form: Mapping[str, str] = field(default_factory=dict)
    strict_stems: frozenset[str] = frozenset()

    @property
    def lock_path(self) -> Path:
        """Where the release lock lies."""
        return self.root / "schemas" / LOCK_NAME

    def schema_path(self, key: Key) -> Path:
        """Where the schema of a message version lies."""
        return self.root / "schemas" / key[0] / f"v{key[1]}.json"

    def examples_path(self, key: Key) -> Path:
        """The folder of the examples of a message version."""
        return self.root / "examples" / key[0] / f"v{key[1]}"

    def schemas(self) -> dict[Key, Path]:
        """The schema files that there are."""
        return _versioned((self.root / "schemas").glob("*/v*.json"))

    def examples(self) -> dict[Key, Path]:
        """The folders of examples that there are."""
        return _versioned((self.root / "examples").glob("*/v*"))

    def lock(self) -> dict[Key, str]:
        """The SHA-256 of every released schema."""
        if not self.lock_path.exists():
            return {}
        entries = json.loads(self.lock_path.read_text(encoding="utf-8"))
        return {parse_name(name): entry["sha256"] for name, entry in entries.items()}


def schema_of(message: type[Message]) -> JsonObject:
    """The JSON Schema of a message: its shape alone.

    Titles and descriptions are left out: they are prose, and better prose must not need a new version.
    """
    shape = _without_prose(message.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, "$id": message_type(message), **shape}


def render(schema: JsonObject) -> str:
    """A schema as it is stored."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def name_of(key: Key) -> str:
    """`request_submitted/v1`: how a message version is called in the lock and in texts."""
    return f"{key[0]}/v{key[1]}"


def parse_name(name: str) -> Key:
    """The reverse of name_of. Raises ValueError."""
    stem, separator, version = name.partition("/v")
    if not separator:
        raise ValueError(f"{name!r} is not <stem>/v<version>")
    return stem, int(version)


def this_tree(root: Path | None = None) -> Tree:
    """The tree of this repository. Raises FileNotFoundError where there is none, as in an installed package."""
    root = root or Path(__file__).resolve().parents[3]
    if not (root / "pyproject.toml").exists():
        raise FileNotFoundError(f"{root} is no checkout of the contracts; name it with --root")
    return Tree(
        root=root,
        messages={(message.STEM, message.VERSION): message for message in all_messages()},
        routed={route.stem: route.message.VERSION for route in ROUTES},
        steps=STEPS,
        free_form=FREE_FORM,
        strict_stems=STRICT_STEMS,
    )


def all_messages() -> list[type[Message]]:
    """Every version of every message: the classes with a STEM in `<stem>/v<version>.py`, by name."""
    found: list[type[Message]] = []
    for package in pkgutil.iter_modules(opswire.contracts.__path__):
        if not package.ispkg:
            continue
        parent = importlib.import_module(f"opswire.contracts.{package.name}")
        for child in pkgutil.iter_modules(parent.__path__):
            if re.fullmatch(r"v\d+", child.name):
                found.extend(_messages_in(importlib.import_module(f"{parent.__name__}.{child.name}")))
    return sorted(found, key=lambda message: (message.STEM, message.VERSION))


def write(tree: Tree) -> list[Path]:
    """Write the schema of every version that is missing, not released, or was edited by hand since its release.

    A released schema is written only when the model still gives exactly what was released. Returns what changed.
    """
    lock, written = tree.lock(), []
    for key, message in tree.messages.items():
        path, text = tree.schema_path(key), render(schema_of(message))
        released_otherwise = key in lock and hashlib.sha256(text.encode()).hexdigest() != lock[key]
        if released_otherwise or (path.exists() and path.read_text(encoding="utf-8") == text):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def release(tree: Tree, release_version: str) -> list[str]:
    """Lock every schema that is not locked yet. Entries that exist are never touched. Returns the new ones."""
    entries: dict[str, Any] = {}
    if tree.lock_path.exists():
        entries = json.loads(tree.lock_path.read_text(encoding="utf-8"))
    new = [key for key in sorted(tree.schemas()) if name_of(key) not in entries]
    for key in new:
        entries[name_of(key)] = {"release": release_version, "sha256": digest_of(tree.schema_path(key))}
    text = json.dumps(dict(sorted(entries.items())), indent=2) + "\n"
    tree.lock_path.write_text(text, encoding="utf-8", newline="\n")
    return [name_of(key) for key in new]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. 0 when all is well, 1 when a check fails."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Frozen schemas of the messages.")
    parser.add_argument("action", choices=("check", "write", "release"))
    parser.add_argument("--root", type=Path, help="the contracts folder; this checkout's by default")
    options = parser.parse_args(arguments)
    tree = this_tree(options.root)
    match options.action:
        case "write":
            _say([f"wrote {path.relative_to(tree.root)}" for path in write(tree)] or ["nothing to write"])
            return 0
        case "release":
            new = release(tree, installed_version("opswire-contracts"))
            _say([f"released {name}" for name in new] or ["nothing to release"])
            return 0
    # Imported here: the checks need jsonschema, which only a checkout has.
    from opswire.contracts.checks import check

    flaws = check(tree)
    _say([str(flaw) for flaw in flaws] or ["no flaw"])
    return 1 if flaws else 0


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _messages_in(module: Any) -> list[type[Message]]:
    return [
        found
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, Message)
        and found.__module__ == module.__name__
        and hasattr(found, "STEM")
    ]


def _versioned(paths: Iterable[Path]) -> dict[Key, Path]:
    found = {(path.parent.name, int(path.stem[1:])): path for path in paths if path.stem[1:].isdigit()}
    return dict(sorted(found.items()))


def _without_prose(schema: Any, *, names: bool = False) -> Any:
    """A copy without titles and descriptions. `names` is set where the keys are field names, which may be so called."""
    if isinstance(schema, list):
        return [_without_prose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bare: dict[str, Any] = {}
    for key, value in schema.items():
        if not names and key in ("title", "description"):
            continue
        literal = not names and key in ("default", "enum", "const")
        bare[key] = value if literal else _without_prose(value, names=not names and key in ("properties", "$defs"))
    return bare


if __name__ == "__main__":
    sys.exit(main())
