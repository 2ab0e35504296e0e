"""Tokens and characters of every prompt, part by part, and what prompt caching makes of them.

All figures are means over the sample of requests. The parts of a call are counted each for itself, the whole as the
server sees it; the difference is the chat template's.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opswire.chassis.inference.call import Message
from opswire.chassis.inference.capabilities import Capabilities, PromptCaching, registry
from opswire.intent.prompts.library import PromptSet, PromptStep
from opswire.intent.prompts.outputs import output_of
from opswire.intent.prompts.request_text import harmless
from opswire.intent.tokens.tokenizer import Tokenizer

BASELINE = "baseline"
Figures = dict[str, Any]
CountChat = Callable[[Sequence[Message]], int]


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, and the intent that an earlier call of the same request is taken to have found."""

    text: str
    intent: str


_CONTRASTS = (Sample("9", "asset.list"), Sample("a", "out_of_scope"))
"""They begin differently: what a prompt has in common with both is the same for every request."""


def measure(tokenizer: Tokenizer, sets: Sequence[PromptSet], sample: Sequence[Sample]) -> list[Figures]:
    """Each set's figures and its saving against the baseline, where that is among them."""
    found = [_set(tokenizer, prompts, sample) for prompts in sets]
    baseline = next((row for row in found if row["name"] == BASELINE), None)
    return [row | {"saving": None if baseline is None else _saving(row, baseline)} for row in found]


def prompt_tokens(count: CountChat, prompts: PromptSet, sample: Sequence[Sample]) -> float:
    """Prompt tokens of one request, summed over the calls of the set, by whatever counts."""
    return statistics.fmean(
        sum(count(step.messages(each.text, each.intent)) for step in prompts.steps) for each in sample
    )


def measure_given(tokenizer: Tokenizer, prompts: Mapping[str, Any]) -> Figures:
    """The figures of another service's prompt, as that service tells it: its name, version and filled conversations.

    What begins all of the conversations alike counts as repeated, so they have to be of different requests.
    """
    filled = prompts["conversations"]
    conversations = [conversation_of(each["messages"]) for each in filled]
    parts = {name: [each["parts"][name] for each in filled] for name in filled[0]["parts"]}
    schemas = [each["schema"] for each in filled]
    step = _call(tokenizer, parts, schemas, conversations, conversations)
    step |= {"name": prompts["name"], "output_tokens_max": prompts["output_tokens_max"]}
    return _row(prompts["name"], prompts["version"], prompts["key"], [step])


def conversation_of(messages: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages of a conversation that another service tells."""
    return tuple(Message(each["role"], each["content"]) for each in messages)


def _set(tokenizer: Tokenizer, prompts: PromptSet, sample: Sequence[Sample]) -> Figures:
    steps = [_step(tokenizer, step, sample) for step in prompts.steps]
    return _row(prompts.name, prompts.version, prompts.key, steps)


def _row(name: str, version: str, key: str, steps: Sequence[Figures]) -> Figures:
    return {
        "name": name,
        "version": version,
        "key": key,
        "calls": len(steps),
        "prompt_tokens": sum(step["prompt_tokens"] for step in steps),
        "prompt_characters": sum(step["prompt_characters"] for step in steps),
        "repeated_tokens": sum(step["repeated_tokens"] for step in steps),
        "output_tokens_max": sum(step["output_tokens_max"] for step in steps),
        "steps": list(steps),
        "caching": [_caching(provider, steps) for provider in registry().values()],
    }


def _step(tokenizer: Tokenizer, step: PromptStep, sample: Sequence[Sample]) -> Figures:
    """One call of a set."""
    frame = step.variable.replace("{request}", "").replace("{intent}", "")
    parts = {
        "stable": [step.stable],
        "frame": [frame],
        "intent": [each.intent for each in sample] if "{intent}" in step.variable else [""],
        "request": [harmless(each.text) for each in sample],
    }
    schema = json.dumps(output_of(step.asked).json_schema, separators=(",", ":"))
    conversations = [step.messages(each.text, each.intent) for each in sample]
    contrasts = [step.messages(each.text, each.intent) for each in _CONTRASTS]
    found = _call(tokenizer, parts, [schema], conversations, [*contrasts, *conversations])
    return found | {"name": step.name, "output_tokens_max": step.max_tokens}


def _call(
    tokenizer: Tokenizer,
    texts: Mapping[str, Sequence[str]],
    schemas: Sequence[str],
    conversations: Sequence[Sequence[Message]],
    unlike: Sequence[Sequence[Message]],
) -> Figures:
    """One call. `repeated_tokens` begin the prompt of every request alike, as `unlike` ones show."""
    parts = {name: _part(each, tokenizer) for name, each in texts.items()}
    prompt = statistics.fmean(tokenizer.count_chat(messages) for messages in conversations)
    said = sum(part["tokens"] for part in parts.values())
    return {
        "parts": parts | {"chat_template": {"tokens": prompt - said, "characters": 0}},
        "schema": _part(schemas, tokenizer),
        "prompt_tokens": prompt,
        "prompt_characters": statistics.fmean(
            sum(len(message.content) for message in messages) for messages in conversations
        ),
        "repeated_tokens": _common_prefix([tokenizer.encode_chat(messages) for messages in unlike]),
    }


def _part(texts: Sequence[str], tokenizer: Tokenizer) -> Figures:
    return {
        "tokens": statistics.fmean(tokenizer.count(text) for text in texts),
        "characters": statistics.fmean(len(text) for text in texts),
    }


def _common_prefix(ids: Sequence[Sequence[int]]) -> int:
    """How many tokens all of them begin with."""
    columns = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*ids, strict=False))
    return sum(1 for _ in columns)


def _caching(provider: Capabilities, steps: Sequence[Figures]) -> Figures:
    """What the provider keeps of the prompts of one request. A prefix below its minimum is never kept."""
    kept = sum(step["repeated_tokens"] for step in steps if provider.saves_by_caching(step["repeated_tokens"]))
    prompt = sum(step["prompt_tokens"] for step in steps)
    price = next((price for price in provider.prices if price.cached_input_usd is not None), None)
    saved = None
    if price is not None and price.cached_input_usd is not None and price.input_usd:
        saved = kept / prompt * (1 - price.cached_input_usd / price.input_usd)
    return {
        "provider": provider.provider,
        "title": provider.title,
        "caching": provider.prompt_caching.value,
        "tokens_min": None if provider.prompt_caching is PromptCaching.NONE else provider.cache_tokens_min,
        "longest_prefix": max(step["repeated_tokens"] for step in steps),
        "kept_tokens": kept,
        "kept_share": kept / prompt,
        "prompt_price_saved": saved,
    }


def _saving(row: Figures, baseline: Figures) -> Figures:
    """Shares, 0 to 1, of what the baseline takes for one request."""
    return {name: 1 - row[name] / baseline[name] for name in ("prompt_tokens", "prompt_characters", "calls")}
