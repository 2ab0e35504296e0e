"""The project's own labelled requests: reading them, and what makes two of them the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from opswire.contracts.taxonomy import IntentName
from opswire.intent.classifier.features import masked


@dataclass(frozen=True, slots=True)
class Labelled:
    """One request with the intent a person gave it. `style` is a hint for readers: chat, slash, kubernetes ..."""

    text: str
    intent: IntentName
    style: str


def load_labelled() -> list[Labelled]:
    """All of `data/*.jsonl`, in the order of file names and lines. Raises ValueError on a line that is none."""
    found: list[Labelled] = []
    folder = resources.files("opswire.intent.data")
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".jsonl"):
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                found.append(Labelled(row["text"], IntentName(row["intent"]), row["style"]))
            except (ValueError, KeyError) as error:
                raise ValueError(f"{file.name}, line {number}: {error}") from error
    return found


def digest_of(labelled: Iterable[Labelled]) -> str:
    """SHA-256 over texts and intents: which data a model was trained on."""
    hashed = hashlib.sha256()
    for row in labelled:
        hashed.update(f"{row.intent.value}\t{row.text}\n".encode())
    return hashed.hexdigest()


def sameness(text: str) -> str:
    """Two requests with the same key are near-duplicates: they differ in names, numbers or politeness only."""
    return " ".join(sorted(set(masked(text).replace("?", " ").split())))
