"""Changes the order of endpoints in the file of model servers, in one step and with its comments kept."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Choice:
    """Which endpoint is to be asked first, by which service (None: by all), and what a new one needs."""

    endpoint: str
    service: str | None
    model: str | None
    base_url: str | None
    only: bool


def with_chain(text: str, service: str | None, chain: list[str], environment: str, added: dict[str, Any]) -> str:
    """The file's text with this chain, and with the endpoints in `added`. Comments stay where that is possible."""
    place = ("default",) if service is None else ("services", service)
    changes: list[tuple[tuple[str, ...], Any]] = [(("endpoints", name), settings) for name, settings in added.items()]
    changes += [((*place, "chain"), chain), ((*place, "environment"), environment)]
    wanted: dict[str, Any] = yaml.safe_load(text) or {}
    for where, value in changes:
        _set(wanted, where, value)
    try:
        edited = text
        for where, value in changes:
            edited = _put(edited, where, value)
        is_right = yaml.safe_load(edited) == wanted
    except yaml.YAMLError:
        is_right = False
    # An unusual layout: the meaning is kept rather than the comments.
    return edited if is_right else yaml.safe_dump(wanted, sort_keys=False)


def write_in_one_step(path: Path, text: str) -> None:
    """Replace the file: a reader sees the old or the new one. Its mode is kept; a new one is its owner's alone."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(mode)
    beside.replace(target)


def _set(document: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for part in place[:-1]:
        document[part] = document.get(part) or {}
        document = document[part]
    document[place[-1]] = value


def _put(text: str, place: tuple[str, ...], value: Any) -> str:
    """Set one value, as little of the text touched as can be. Unusual layouts may come out wrong: see `with_chain`."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return text + _block(place, value, 0)
    node, depth = root, 0
    while depth < len(place):
        found = next((inner for key, inner in node.value if key.value == place[depth]), None)
        if found is None:
            return _inserted(text, node, place[depth:], value)
        depth += 1
        if depth == len(place):
            return text[: found.start_mark.index] + _flow(value) + text[_end(found) :]
        if not isinstance(found, yaml.MappingNode) or not found.value:
            return text[: found.start_mark.index] + f" {_flow(_nested(place[depth:], value))}" + text[_end(found) :]
        node = found
    return text


def _inserted(text: str, node: yaml.MappingNode, place: tuple[str, ...], value: Any) -> str:
    """A new key: behind everything at the top, before the first key elsewhere."""
    first = node.value[0][0].start_mark
    if node.flow_style:
        inner = _flow(_nested(place, value))[1:-1]
        return f"{text[: first.index]}{inner}, {text[first.index :]}"
    if first.column == 0:
        return text.rstrip("\n") + "\n" + _block(place, value, 0)
    block = _block(place, value, first.column)[first.column :]
    return f"{text[: first.index]}{block}{' ' * first.column}{text[first.index :]}"


def _end(node: yaml.Node) -> int:
    """Where a value ends; a block's own mark would take the comments behind it along."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _nested(place: tuple[str, ...], value: Any) -> Any:
    for part in reversed(place):
        value = {part: value}
    return value


def _block(place: tuple[str, ...], value: Any, indent: int) -> str:
    lines = [f"{' ' * (indent + 2 * depth)}{part}:" for depth, part in enumerate(place)]
    return "\n".join(lines) + f" {_flow(value)}\n"


def _flow(value: Any) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return dumped.removesuffix("\n").removesuffix("\n...").strip()
