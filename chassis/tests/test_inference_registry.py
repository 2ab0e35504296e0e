"""The capability registry: every row complete, dated and sourced, and the facts that surprise."""

from __future__ import annotations

from datetime import date

import pytest
from opswire.chassis.inference.capabilities import (
    HOSTED_CACHE_TOKENS_MIN,
    PLAIN,
    Batch,
    Capabilities,
    PromptCaching,
    StructuredOutput,
    capabilities_of,
    registry,
)

ROWS = registry()
NAMED = {
    "anthropic",
    "openai",
    "gemini",
    "bedrock",
    "azure_openai",
    "cohere",
    "fireworks",
    "groq",
    "mistral",
    "ollama",
    "together",
    "vertex_ai",
    "xai",
    "vllm",
}
OWN = {"vllm", "ollama", "openai_compatible"}


def test_every_promised_provider_has_a_row() -> None:
    assert set(ROWS) >= NAMED
    assert "openai_compatible" in ROWS


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_row_is_complete_dated_and_sourced(row: Capabilities) -> None:
    assert row.title
    assert row.limits
    assert row.sources
    assert all(source.startswith("https://") for source in row.sources)
    assert date(2026, 1, 1) <= date.fromisoformat(row.as_of) <= date.today()
    assert row.base_url is None or row.base_url.startswith(("https://", "http://127.0.0.1:"))
    assert row.batch_discount is None or 0 < row.batch_discount < 1
    assert row.batch is not Batch.NONE or row.batch_discount is None
    for price in row.prices:
        assert price.source.startswith("https://")
        assert date.fromisoformat(price.as_of) <= date.today()
        assert 0 < price.input_usd <= price.output_usd


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_hosted_providers_say_where_they_are_and_where_a_key_lies(row: Capabilities) -> None:
    if row.provider in OWN:
        assert row.key_variable is None
    else:
        assert row.base_url is not None
        assert row.base_url.startswith("https://")
        assert row.key_variable or row.provider == "vertex_ai", "its key is a token that something must renew"


def test_only_servers_of_ones_own_and_ollama_have_no_batch() -> None:
    assert {name for name, row in ROWS.items() if row.batch is Batch.NONE} == {
        "ollama",
        "ollama_cloud",
        "openai_compatible",
    }


def test_openai_became_hybrid_and_anthropic_is_asked_for() -> None:
    assert ROWS["openai"].prompt_caching is PromptCaching.HYBRID
    assert ROWS["azure_openai"].prompt_caching is PromptCaching.HYBRID
    assert ROWS["anthropic"].prompt_caching is PromptCaching.EXPLICIT
    for name in ("groq", "xai", "together", "fireworks", "vllm"):
        assert ROWS[name].prompt_caching is PromptCaching.AUTOMATIC


def test_mistral_takes_a_key() -> None:
    assert ROWS["mistral"].cache_key == "prompt_cache_key"


def test_ollamas_cloud_ignores_a_schema_so_none_is_relied_on() -> None:
    assert capabilities_of("ollama").structured_output is StructuredOutput.JSON_SCHEMA
    for base_url, model in (
        ("https://ollama.com/v1", "gpt-oss:120b"),
        ("http://127.0.0.1:11434/v1", "gpt-oss:120b-cloud"),
        ("http://127.0.0.1:11434/v1", "glm-4.6:cloud"),
    ):
        assert capabilities_of("ollama", base_url, model).structured_output is StructuredOutput.NONE
    assert capabilities_of("ollama", "http://127.0.0.1:11434/v1", "qwen2.5").provider == "ollama"


def test_discounts_that_do_not_stack() -> None:
    assert not ROWS["vertex_ai"].discounts_stack
    assert ROWS["anthropic"].discounts_stack


@pytest.mark.parametrize("name", sorted(NAMED - {"vllm"}))
def test_a_compressed_prompt_is_below_every_hosted_minimum(name: str) -> None:
    """125 tokens are what our compressed prompt has: caching it saves nothing anywhere but on a server of one's own."""
    assert not ROWS[name].saves_by_caching(125)


def test_minimums_by_model() -> None:
    anthropic = ROWS["anthropic"]
    assert anthropic.saves_by_caching(512, "claude-opus-5")
    assert not anthropic.saves_by_caching(512, "claude-haiku-4-5-20251001")
    assert not anthropic.saves_by_caching(1_023, "claude-sonnet-4-5")
    assert anthropic.saves_by_caching(1_024, "claude-sonnet-4-5")
    assert not ROWS["gemini"].saves_by_caching(4_095, "gemini-3.5-flash")
    assert ROWS["vllm"].saves_by_caching(125)


def test_no_minimum_is_below_the_smallest_one() -> None:
    for name, row in ROWS.items():
        if name not in OWN and row.cache_tokens_min is not None:
            assert row.cache_tokens_min >= HOSTED_CACHE_TOKENS_MIN
            assert all(tokens >= row.cache_tokens_min for _, tokens in row.cache_tokens_min_by_model)


def test_an_unknown_provider_is_asked_in_plain_calls() -> None:
    found = capabilities_of("never-heard-of")
    assert found is PLAIN
    assert (found.structured_output, found.batch, found.prompt_caching) == (
        StructuredOutput.NONE,
        Batch.NONE,
        PromptCaching.NONE,
    )
    assert not found.saves_by_caching(1_000_000)
    assert not found.takes_priority


def test_names_are_read_as_people_write_them() -> None:
    assert capabilities_of(" Azure-OpenAI ").provider == "azure_openai"
    assert capabilities_of("vLLM").takes_priority


def test_prices_are_found_by_name_and_by_dated_name() -> None:
    anthropic = ROWS["anthropic"]
    assert anthropic.price_of("claude-opus-5") is not None
    assert anthropic.price_of("claude-opus-5-20260801") == anthropic.price_of("claude-opus-5")
    assert anthropic.price_of("claude-opus-51") is None
    assert ROWS["cohere"].prices == ()
