"""Reading by a model: whatever it answers, the intent exists, entities stand in the text, risk keeps its floor."""

from __future__ import annotations

import time
from typing import Any

import pytest
from obedient_model import CLEAR, HOSTS, ObedientModel, inventory
from opswire.chassis.inference.call import InferenceCall, Lane, OutputSchema, Usage
from opswire.chassis.inference.errors import ReplyInvalidError
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, Risk
from opswire.intent.language.names import NameIndex
from opswire.intent.prompts.library import load_prompts
from opswire.intent.usecases.candidates import CANDIDATES_MAX, TERMS_MAX, find_candidates, matches, search_terms
from opswire.intent.usecases.read_by_model import ReadByModel

DUE_NS = time.time_ns() + 60 * 10**9
RESTART = CLEAR | {"intent": "service.restart", "risk": "LOW"}


def reader(model: ObedientModel, names: NameIndex | None = None, prompts: str = "merged") -> ReadByModel:
    return ReadByModel(model, load_prompts(prompts), inventory(*HOSTS) if names is None else names)


def entity(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value}


async def test_one_merged_call_says_everything() -> None:
    model = ObedientModel(RESTART | {"entities": [entity("host", "web-09")], "confidence": 80, "reason": "several"})
    found = await reader(model).read("bounce web-09 pls", DUE_NS)
    assert (found.intent, found.confidence, found.calls) == (IntentName.SERVICE_RESTART, 0.8, 1)
    assert [(one.type, one.value) for one in found.entities] == [(EntityType.HOST, "web-09")]
    assert (found.reason, found.endpoint, found.cost_usd) == ("several", "first", 0.001)
    (call,) = model.calls
    assert (call.operation, call.deadline_ns, call.lane) == ("intent.merged", DUE_NS, Lane.INTERACTIVE)
    assert call.prompt_version == load_prompts("merged").key


@pytest.mark.parametrize(("prompts", "calls"), [("baseline", 4), ("compact", 3), ("merged", 1)])
async def test_every_prompt_set_ends_in_the_same_reading(prompts: str, calls: int) -> None:
    model = ObedientModel(RESTART | {"entities": [entity("host", "web-09")]})
    found = await reader(model, prompts=prompts).read("bounce web-09", DUE_NS)
    assert (found.intent, found.confidence, found.risk) == (IntentName.SERVICE_RESTART, 0.9, Risk.MEDIUM)
    assert (found.calls, found.usage) == (calls, Usage(100 * calls, 20 * calls, 90 * calls, 0))
    later = [call.messages[1].content for call in model.calls[1:]]
    assert all("service.restart" in content for content in later if "intent" in content)


async def test_without_a_name_of_the_inventory_the_schema_is_the_warmed_one() -> None:
    model = ObedientModel(CLEAR)
    one = reader(model)
    for text in ("is the thing up", "what about foo-bar"):
        await one.read(text, DUE_NS)
    assert all(schema is one.schemas[0] for schema in model.schemas)


def offered(schema: OutputSchema[Any]) -> list[str] | None:
    found = schema.json_schema["properties"]["entities"]["items"]["properties"]["value"].get("enum")
    assert found is None or isinstance(found, list)
    return found


async def test_with_a_name_of_the_inventory_only_pieces_of_the_text_can_be_named() -> None:
    model = ObedientModel(CLEAR)
    await reader(model).read("is the Frobnicator on web-09 or web-10 fine", DUE_NS)
    values = offered(model.schemas[0])
    assert values == ["web-09", "web-10", "Frobnicator", "fine"]


@pytest.mark.parametrize("text", ["bounce web 09", "bounce web09", "bounce Web_09 now"])
async def test_a_name_that_is_one_joint_away_is_offered_as_the_text_spells_it(text: str) -> None:
    model = ObedientModel(CLEAR)
    await reader(model).read(text, DUE_NS)
    values = offered(model.schemas[0])
    assert values is not None
    assert values[0] in text


async def test_what_the_text_does_not_hold_is_never_an_entity() -> None:
    said = [entity("host", value) for value in ("db-01", "eb-09", "WEB-9", "the", "restart", "web-0", "09")]
    model = ObedientModel(RESTART | {"entities": [*said, entity("service", "Frob")]})
    found = await reader(model, NameIndex()).read("restart the frob beside web-09", DUE_NS)
    assert [(one.type, one.value) for one in found.entities] == [(EntityType.SERVICE, "frob")]


async def test_the_inventory_knows_better_what_a_name_is() -> None:
    model = ObedientModel(CLEAR | {"entities": [entity("user", "web-09"), entity("path", "checkout")]})
    found = await reader(model).read("web-09 and checkout?", DUE_NS)
    assert [(one.type, one.value) for one in found.entities] == [
        (EntityType.HOST, "web-09"),
        (EntityType.SERVICE, "checkout"),
    ]


async def test_a_command_with_angles_is_found_again_in_the_text() -> None:
    text = "run mysql\u2039dump.sql somewhere".replace("\u2039", "<")
    model = ObedientModel(CLEAR | {"entities": [entity("command", "mysql\u2039dump.sql")]})
    found = await reader(model, NameIndex()).read(text, DUE_NS)
    assert [one.value for one in found.entities] == ["mysql<dump.sql"]


@pytest.mark.parametrize(
    ("text", "intent", "said", "wanted"),
    [
        ("bounce web-01", "service.restart", "LOW", Risk.HIGH),
        ("bounce web-09", "service.restart", "LOW", Risk.MEDIUM),
        ("bounce web-09", "service.restart", "CRITICAL", Risk.CRITICAL),
        ("get rid of the orders table", "data.delete", "LOW", Risk.CRITICAL),
        ("is web-09 up", "status.check", "MEDIUM", Risk.MEDIUM),
    ],
)
async def test_a_model_raises_the_risk_and_never_lowers_it(text: str, intent: str, said: str, wanted: Risk) -> None:
    model = ObedientModel(CLEAR | {"intent": intent, "risk": said})
    found = await reader(model).read(text, DUE_NS)
    assert found.risk is wanted
    assert found.risk.rank >= found.floor.rank


async def test_a_word_that_a_model_takes_for_an_environment_cannot_clear_an_unclear_target() -> None:
    """`api` is in production and in test: HIGH, until the text itself says which one is meant."""
    names = inventory(("api", "service", "production", "low"), ("api", "service", "test", "low"))
    model = ObedientModel(RESTART | {"entities": [entity("environment", "sandbox")]})
    found = await reader(model, names).read("restart api, sandbox style", DUE_NS)
    assert [one.type for one in found.entities] == [EntityType.ENVIRONMENT]
    assert found.risk is Risk.HIGH


def crowded() -> str:
    """A text with more things in it than are offered at once, a known host among them."""
    return "look: " + " ".join(f"thing{letter}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") + " beside web-09"


async def test_above_the_cap_a_word_is_chosen_first_and_its_matches_are_offered() -> None:
    def search(_: InferenceCall, schema: OutputSchema[Any]) -> dict[str, Any]:
        terms = schema.json_schema["properties"]["term"]["enum"]
        assert "web-09" in terms
        assert len(terms) <= TERMS_MAX
        return {"term": "web-09"}

    model = ObedientModel(search, CLEAR | {"entities": [entity("host", "web-09")]})
    found = await reader(model).read(crowded(), DUE_NS)
    assert [call.operation for call in model.calls] == ["intent.search", "intent.merged"]
    values = offered(model.schemas[1])
    assert values is not None
    assert values[0] == "web-09"
    assert len(values) == CANDIDATES_MAX
    assert "thingzz" in values
    assert "thingaa" not in values
    assert [one.value for one in found.entities] == ["web-09"]
    assert found.calls == 2
    assert found.usage.input_tokens == 200


async def test_a_search_that_names_nothing_of_the_text_is_an_invalid_reply() -> None:
    model = ObedientModel({"term": "db-01"}, CLEAR)
    with pytest.raises(ReplyInvalidError):
        await reader(model).read(crowded(), DUE_NS)
    assert len(model.calls) == 1


def test_matches_are_what_holds_the_term_then_what_stands_nearest() -> None:
    text = "alpha beta web-09 gamma delta"
    candidates = find_candidates(text, inventory(*HOSTS))
    assert candidates.is_resolved
    assert "web-09" in search_terms(candidates)
    assert matches("web-09", candidates, text) == ("web-09", "beta", "gamma", "alpha", "delta")


async def test_a_price_that_is_not_known_once_is_not_known_in_sum() -> None:
    model = ObedientModel(RESTART, prices=[None, 0.1])
    assert (await reader(model, prompts="compact").read("bounce it", DUE_NS)).cost_usd is None
    model = ObedientModel(RESTART, prices=[0.2, 0.1])
    assert (await reader(model, prompts="compact").read("bounce it", DUE_NS)).cost_usd == pytest.approx(0.4)
