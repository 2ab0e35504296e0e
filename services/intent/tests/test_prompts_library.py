"""The prompts as files: nothing is forgotten, the stable part is stable, and few tokens say it all."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from opswire.contracts.taxonomy import INTENTS
from opswire.contracts.types import EntityType, Risk
from opswire.intent.prompts.library import PROMPT_NAMES, PromptName, PromptStep, load_prompts, load_search
from opswire.intent.prompts.outputs import Asked, Reason
from opswire.intent.settings import IntentSettings
from opswire.intent.tokens.tokenizer import load_tokenizer

REQUESTS = ["restart nginx on web-01", "is it up?", "why does checkout keep returning 502 since the last deploy"]
STEPS = [(name, step) for name in PROMPT_NAMES for step in load_prompts(name).steps]
IDS = [f"{name}-{step.name}" for name, step in STEPS]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+[._][a-z._]*[a-z]|[A-Za-z]+", text))


@pytest.mark.parametrize(("name", "step"), STEPS, ids=IDS)
def test_a_new_code_cannot_be_forgotten(name: str, step: PromptStep) -> None:
    """A model that is not bound to the schema knows only what the prompt lists."""
    listed = words(step.stable)
    codes = {
        Asked.INTENT: {intent.value for intent in INTENTS},
        Asked.ENTITIES: {kind.value for kind in EntityType},
        Asked.RISK: {risk.value for risk in Risk},
        Asked.REASON: {reason.value for reason in Reason},
        Asked.CONFIDENCE: {"confidence"},
    }
    for asked in step.asked:
        assert codes[asked] <= listed, f"{name}/{step.name} does not list {codes[asked] - listed}"
        assert asked.value in step.stable


@pytest.mark.parametrize("name", PROMPT_NAMES)
def test_no_prompt_names_an_intent_that_does_not_exist(name: str) -> None:
    families = {intent.value.partition(".")[0] for intent in INTENTS}
    for step in load_prompts(name).steps:
        shaped = {word for word in re.findall(r"\b[a-z]+\.[a-z]+\b", step.stable) if word.partition(".")[0] in families}
        assert shaped <= {intent.value for intent in INTENTS}


def test_every_set_asks_for_intent_entities_confidence_and_risk() -> None:
    for name in PROMPT_NAMES:
        asked = [key for step in load_prompts(name).steps for key in step.asked]
        assert len(asked) == len(set(asked))
        assert {Asked.INTENT, Asked.ENTITIES, Asked.CONFIDENCE, Asked.RISK} <= set(asked)
    assert [len(load_prompts(name).steps) for name in ("baseline", "compact", "merged")] == [4, 3, 1]


def test_the_older_sets_have_the_sizes_that_they_are_compared_by() -> None:
    def size(name: str, number: int) -> int:
        return len(load_prompts(name).steps[number].stable)

    assert 2_300 <= size("baseline", 0) <= 2_700
    assert 850 <= size("baseline", 1) <= 1_150
    assert 450 <= size("compact", 0) <= 650
    assert 250 <= size("compact", 1) <= 350


@pytest.mark.parametrize("request_text", REQUESTS)
def test_merged_takes_at_least_70_percent_fewer_prompt_tokens_than_baseline(request_text: str) -> None:
    tokenizer = load_tokenizer()

    def tokens(name: str) -> int:
        steps = load_prompts(name).steps
        return sum(tokenizer.count_chat(step.messages(request_text, "service.restart")) for step in steps)

    assert tokens("merged") <= 0.3 * tokens("baseline"), (tokens("merged"), tokens("baseline"))


@pytest.mark.parametrize(("name", "step"), STEPS, ids=IDS)
def test_the_stable_part_is_the_same_bytes_and_comes_first(name: str, step: PromptStep) -> None:
    first, second = (step.messages(text, "asset.list") for text in REQUESTS[:2])
    assert [message.role for message in first] == ["system", "user"]
    assert first[0] == second[0]
    assert first[0].is_stable
    assert not first[1].is_stable
    assert first[1] != second[1]
    assert f"<request>\n{REQUESTS[0]}\n</request>" in first[1].content, name
    assert "{" not in first[1].content


def test_what_a_request_says_is_never_taken_for_a_place_in_the_prompt() -> None:
    for step in (*(step for _, step in STEPS), *load_search().steps):
        said = step.messages("show {intent} and {request} of {0}", "asset.get")[1].content
        assert "show {intent} and {request} of {0}" in said


def test_the_key_of_a_set_changes_with_its_text() -> None:
    keys = {load_prompts(name).key for name in PROMPT_NAMES}
    assert len(keys) == len(PROMPT_NAMES)
    assert all(re.fullmatch(r"[a-z]+/v\d+/[0-9a-f]{8}", key) for key in keys)


def test_the_setting_offers_the_sets_that_there_are() -> None:
    assert set(get_args(PromptName)) == set(PROMPT_NAMES)
    assert set(get_args(IntentSettings.model_fields["prompts"].annotation)) == set(PROMPT_NAMES)
    with pytest.raises(LookupError, match="there are baseline, compact, merged"):
        load_prompts("verbose")
