"""What each provider can do, as dated data with sources: `data/providers.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

UNKNOWN = "unknown"


class StructuredOutput(StrEnum):
    """How a provider is made to answer in a schema."""

    NONE = "none"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    OUTPUT_CONFIG = "output_config"
    """Anthropic's `output_config.format`."""


class Batch(StrEnum):
    """Which protocol takes many calls at once, for later."""

    NONE = "none"
    OPENAI_FILES = "openai_files"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    OTHER = "other"


class PromptCaching(StrEnum):
    """Who decides what of a prompt is kept."""

    NONE = "none"
    AUTOMATIC = "automatic"
    EXPLICIT = "explicit"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One provider. Every fact rests on `sources`, read on `as_of` (a date)."""

    provider: str
    title: str
    protocol: Literal["openai", "anthropic"]
    structured_output: StructuredOutput
    batch: Batch
    prompt_caching: PromptCaching
    cache_tokens_min: int | None
    limits: str
    notes: str
    sources: tuple[str, ...]
    as_of: str
    takes_priority: bool = False
    reports_timing: bool = False


PLAIN = Capabilities(
    UNKNOWN, "Unknown provider", "openai", StructuredOutput.NONE, Batch.NONE, PromptCaching.NONE, None, "", "", (), ""
)


@cache
def registry() -> dict[str, Capabilities]:
    """Every known provider by its name."""
    text = (resources.files("opswire.chassis.inference") / "data" / "providers.yaml").read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = yaml.safe_load(text)["providers"]
    return {name: _read(name, row) for name, row in rows.items()}


def capabilities_of(provider: str) -> Capabilities:
    """What the provider can do; an unknown one is asked in plain calls, and its replies are checked all the same."""
    return registry().get(provider.strip().lower(), PLAIN)


def _read(name: str, row: dict[str, Any]) -> Capabilities:
    return Capabilities(
        provider=name,
        title=row["title"],
        protocol=row["protocol"],
        structured_output=StructuredOutput(row["structured_output"]),
        batch=Batch(row["batch"]),
        prompt_caching=PromptCaching(row["prompt_caching"]),
        cache_tokens_min=row.get("cache_tokens_min"),
        limits=row["limits"],
        notes=row.get("notes", ""),
        sources=tuple(row["sources"]),
        as_of=str(row["as_of"]),
        takes_priority=row.get("takes_priority", False),
        reports_timing=row.get("reports_timing", False),
    )
