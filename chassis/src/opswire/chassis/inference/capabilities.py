"""What each provider can do, as dated data with sources: `data/providers.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Literal
from urllib.parse import urlsplit

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
    RUNNER = "runner"
    """OpenAI's file of lines, run by a program beside the server (vLLM)."""
    OTHER = "other"
    """A protocol of its own, which is not spoken here: its lines are sent as single calls in the bulk lane."""


class PromptCaching(StrEnum):
    """Who decides what of a prompt is kept."""

    NONE = "none"
    AUTOMATIC = "automatic"
    EXPLICIT = "explicit"
    HYBRID = "hybrid"


class SchemaObjects(StrEnum):
    """What a provider wants of every object in a schema."""

    OPEN = "open"
    CLOSED = "closed"
    """`additionalProperties: false`."""
    COMPLETE = "complete"
    """That, and every property required."""


HOSTED_CACHE_TOKENS_MIN = 128
"""The smallest number of tokens that any hosted provider keeps."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens of a model, as `source` said on `as_of`. None: not said there."""

    model: str
    input_usd: float
    output_usd: float
    cached_input_usd: float | None
    cache_write_usd: float | None
    source: str
    as_of: str


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
    base_url: str | None = None
    """The public address; braces stand for what the account decides, such as a region."""
    key_variable: str | None = None
    """The environment variable that the provider's own clients read the key from."""
    model_default: str | None = None
    batch_discount: float | None = None
    """The share, 0 to 1, that a batch saves of the price; None where none is known."""
    discounts_stack: bool = False
    """Whether cached tokens of a batch get the batch's discount too; False also where it is not known."""
    prices: tuple[Price, ...] = ()
    cache_key: str | None = None
    """The request field that brings calls with the same prefix to the same cache."""
    cache_tokens_min_by_model: tuple[tuple[str, int], ...] = ()
    """Name prefix and minimum; the first that fits stands before `cache_tokens_min`."""
    schema_objects: SchemaObjects = SchemaObjects.OPEN
    schema_keywords_refused: frozenset[str] = frozenset()
    """Keywords for which it refuses the whole call; they are not sent."""
    temperature_refused_by: tuple[str, ...] = ()
    """Name prefixes of models that refuse a call which sets a temperature."""

    def saves_by_caching(self, prompt_tokens: int, model: str = "") -> bool:
        """Whether a stable prefix of so many tokens is kept at all. Below the minimum nothing is, without an error.

        Where the minimum is not known, the smallest of any hosted provider is taken; without a model, the smallest
        of the provider's models.
        """
        if self.prompt_caching is PromptCaching.NONE:
            return False
        least = HOSTED_CACHE_TOKENS_MIN if self.cache_tokens_min is None else self.cache_tokens_min
        least = next((tokens for prefix, tokens in self.cache_tokens_min_by_model if model.startswith(prefix)), least)
        return prompt_tokens >= least

    def takes_temperature(self, model: str) -> bool:
        """Whether a call may set one; several families refuse a call that does."""
        return not model.startswith(self.temperature_refused_by)

    def price_of(self, model: str) -> Price | None:
        """The price of a model, by its exact name or a dated name of it; None where none is known."""
        found = [price for price in self.prices if model == price.model or model.startswith(f"{price.model}-20")]
        return found[0] if found else None


_OLLAMA_CLOUD = frozenset({"ollama.com", "www.ollama.com", "api.ollama.com"})

PLAIN = Capabilities(
    UNKNOWN, "Unknown provider", "openai", StructuredOutput.NONE, Batch.NONE, PromptCaching.NONE, None, "", "", (), ""
)


@cache
def registry() -> dict[str, Capabilities]:
    """Every known provider by its name."""
    text = (resources.files("opswire.chassis.inference") / "data" / "providers.yaml").read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = yaml.safe_load(text)["providers"]
    return {name: _read(name, row) for name, row in rows.items()}


def capabilities_of(provider: str, base_url: str = "", model: str = "") -> Capabilities:
    """What the provider can do; an unknown one is asked in plain calls, and its replies are checked all the same.

    Address and model matter for one: a local Ollama passes models of its cloud on, which ignore a schema silently.
    """
    name = provider.strip().lower().replace("-", "_")
    if name == "ollama" and (urlsplit(base_url).hostname in _OLLAMA_CLOUD or model.endswith(("-cloud", ":cloud"))):
        name = "ollama_cloud"
    return registry().get(name, PLAIN)


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
        base_url=row.get("base_url"),
        key_variable=row.get("key_variable"),
        model_default=row.get("model_default"),
        batch_discount=row.get("batch_discount"),
        discounts_stack=row.get("discounts_stack", False),
        prices=tuple(_price(price) for price in row.get("prices", ())),
        cache_key=row.get("cache_key"),
        cache_tokens_min_by_model=tuple(row.get("cache_tokens_min_by_model", {}).items()),
        schema_objects=SchemaObjects(row.get("schema_objects", "open")),
        schema_keywords_refused=frozenset(row.get("schema_keywords_refused", ())),
        temperature_refused_by=tuple(row.get("temperature_refused_by", ())),
    )


def _price(row: dict[str, Any]) -> Price:
    return Price(
        model=row["model"],
        input_usd=float(row["input"]),
        output_usd=float(row["output"]),
        cached_input_usd=row.get("cached_input"),
        cache_write_usd=row.get("cache_write"),
        source=row["source"],
        as_of=str(row["as_of"]),
    )
