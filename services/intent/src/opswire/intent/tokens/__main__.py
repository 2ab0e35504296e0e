"""`python -m opswire.intent.tokens [REQUEST...]`: what the prompts cost, as one JSON document on standard output.

With `--others`, standard input holds the prompts of other services as those tell them; they are counted alike.
What cannot be done ends with status 2 and `{"error": {"message", "advice"}}`; `opswire tokens` shows both to a person.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from opswire.chassis.inference.configuration import FILE_VARIABLE, load_configuration
from opswire.chassis.inference.endpoint import Endpoint
from opswire.contracts.taxonomy import IntentName
from opswire.intent.evaluation.expectations import own_expectations
from opswire.intent.prompts.library import PROMPT_NAMES, PromptSet, load_prompts
from opswire.intent.tokens.measure import BASELINE, Sample, conversation_of, measure, measure_given, prompt_tokens
from opswire.intent.tokens.server import CannotCountError, ServerCount
from opswire.intent.tokens.tokenizer import NAME, load_tokenizer

CANNOT = 2
Prompts = Mapping[str, Any]
SERVER_SAMPLE_MAX = 20
SHOWN_ORDER = ("baseline", "compact", "merged")
ASSUMED_INTENT = IntentName.SERVICE_RESTART.value
"""Stands in the later calls of a request that has no label."""


def own_sample() -> list[Sample]:
    """The requests that ship with the project, with their labels."""
    return [Sample(each.query, each.expected_intent.value) for each in own_expectations()]


def report(requests: Sequence[str], wanted: Sequence[str], others: Sequence[Prompts] = ()) -> dict[str, Any]:
    """Our own count of the wanted sets and of other services' prompts; the configured server's where one answers."""
    sample = [Sample(text, ASSUMED_INTENT) for text in requests] or own_sample()
    sets = [load_prompts(name) for name in sorted({*wanted, BASELINE}, key=_order)]
    found = measure(load_tokenizer(), sets, sample)
    shown = [row for row in found if row["name"] in wanted]
    return {
        "tokenizer": f"{NAME}'s, in this program",
        "requests": {"n": len(sample), "set": "given" if requests else "the project's own set"},
        "prompts": shown,
        "others": [measure_given(load_tokenizer(), each) for each in others],
        "server": _server([prompts for prompts in sets if prompts.name in wanted], sample, others),
    }


def _order(name: str) -> int:
    return SHOWN_ORDER.index(name) if name in SHOWN_ORDER else len(SHOWN_ORDER)


def _server(sets: Sequence[PromptSet], sample: Sequence[Sample], others: Sequence[Prompts]) -> dict[str, Any] | None:
    """The first endpoint's own count on some of the requests, beside ours on the same; None where none is set."""
    file = os.environ.get(FILE_VARIABLE)
    try:
        configuration = load_configuration("intent", Path(file) if file else None, os.environ)
    except ValueError as error:
        return {"error": str(error)}
    if configuration is None:
        return None
    endpoint = configuration.chain[0]
    some = sample[:: -(-len(sample) // SERVER_SAMPLE_MAX)]
    named = {"name": endpoint.name, "base_url": endpoint.base_url, "model": endpoint.model}
    try:
        return named | {"requests": len(some), "prompts": _counted(endpoint, sets, some, others)}
    except CannotCountError as error:
        return named | {"error": str(error)}


def _counted(
    endpoint: Endpoint, sets: Sequence[PromptSet], some: Sequence[Sample], others: Sequence[Prompts]
) -> dict[str, dict[str, float]]:
    with ServerCount(endpoint) as server:
        counts = {"its_tokens": server.count_chat, "our_tokens": load_tokenizer().count_chat}
        found = {
            prompts.name: {name: prompt_tokens(count, prompts, some) for name, count in counts.items()}
            for prompts in sets
        }
        for prompts in others:
            conversations = [conversation_of(each["messages"]) for each in prompts["conversations"]]
            found[prompts["name"]] = {name: fmean(map(count, conversations)) for name, count in counts.items()}
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Count and print the report, or the error, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m opswire.intent.tokens", description="count the prompts' tokens")
    parser.add_argument("requests", nargs="*", help="requests to count; our own labelled set when left out")
    parser.add_argument("--prompts", choices=PROMPT_NAMES, action="append", help="only this set; may be repeated")
    parser.add_argument("--others", action="store_true", help="standard input holds prompts of other services")
    options = parser.parse_args(arguments)
    try:
        others = json.load(sys.stdin)["prompts"] if options.others else ()
        found = report(options.requests, options.prompts or PROMPT_NAMES, others)
    except ImportError as error:
        message = f"the tokenizer is not installed: {error}"
        found = {"error": {"message": message, "advice": "install opswire-intent[tokens]"}}
    print(json.dumps(found, ensure_ascii=True))  # noqa: T201
    return CANNOT if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
