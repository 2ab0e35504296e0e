"""What a name says of environment and role: `rabbitmq_stg_rdu3` is rabbitmq in staging."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opswire.assets.vocabulary import ENVIRONMENT_WORDS, fold

_PARTS = re.compile(r"[^\W_]+")


def environment_from_names(names: Iterable[str]) -> tuple[str | None, str | None]:
    """The environment that group names state, and where they contradict each other, how.

    A group that is nothing but the word (`staging`) counts most, then one that ends in it (`web_stg`), then one that
    has it inside (`web_stg_dc1`), then one that begins with it (`staging_friendly`, which may mean friendly to it).
    Only the strongest kind is looked at; two answers of one kind are a contradiction, and then nothing is stated.
    """
    by_strength: dict[int, dict[str, str]] = {}
    for name in names:
        parts = _PARTS.findall(fold(name))
        for place, part in enumerate(parts):
            if part in ENVIRONMENT_WORDS:
                by_strength.setdefault(_strength(place, len(parts)), {})[ENVIRONMENT_WORDS[part]] = name
    if not by_strength:
        return None, None
    strongest = by_strength[min(by_strength)]
    if len(strongest) == 1:
        return next(iter(strongest)), None
    said = ", ".join(f"{name} says {environment}" for environment, name in sorted(strongest.items()))
    return None, f"environment left unknown: {said}"


def role_from_group(group: str) -> str:
    """A group's name without its words for environments; the name itself when nothing else is in it."""
    parts = [part for part in _PARTS.findall(fold(group)) if part not in ENVIRONMENT_WORDS]
    return "-".join(parts) or group


def _strength(place: int, count: int) -> int:
    if count == 1:
        return 0
    if place == count - 1:
        return 1
    return 2 if place else 3
