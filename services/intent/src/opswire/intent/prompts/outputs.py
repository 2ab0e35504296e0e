"""What a reply must look like, and how its bytes are read. Key order is fixed; values are codes, not sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from opswire.chassis.inference.call import OutputSchema
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, Risk

ENTITIES_IN_REPLY_MAX = 12
VALUE_CHARACTERS_MAX = 80
"""In a model's reply. Longer things, such as a command line, are found by the text's own grammar."""


class Asked(StrEnum):
    """One key of a reply."""

    INTENT = "intent"
    ENTITIES = "entities"
    CONFIDENCE = "confidence"
    RISK = "risk"
    REASON = "reason"
    TERM = "term"
    """One word of the request, in a search before the other calls."""


class Reason(StrEnum):
    """Why a model is as confident as it is. Codes: a sentence would cost tokens and carry words of the request out."""

    CLEAR = "clear"
    VAGUE = "vague"
    SEVERAL = "several"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Named:
    """A thing that a model says the request names; whether the text holds it is checked later."""

    type: EntityType
    value: str


@dataclass(frozen=True, slots=True)
class StepReply:
    """What one call answered; None where it was not asked. `confidence` is 0 to 1."""

    intent: IntentName | None = None
    entities: tuple[Named, ...] = ()
    confidence: float | None = None
    risk: Risk | None = None
    reason: Reason | None = None


def output_of(asked: tuple[Asked, ...], values: Sequence[str] = ()) -> OutputSchema[StepReply]:
    """The only shape of a step's reply. With `values`, an entity's value can be nothing else than one of them."""
    allowed = frozenset(values)
    name = "_".join(("request", *asked, *(("targets",) if values else ())))
    return OutputSchema(name, _object_schema(asked, values), lambda data: _decode(data, asked, allowed))


def choice_of(words: Sequence[str]) -> OutputSchema[str]:
    """One of these words and nothing else, as `{"term":"..."}`."""

    def decode(data: bytes) -> str:
        found = _object(data, {Asked.TERM})["term"]
        if found not in words:
            raise ValueError("term is none of those that were offered")
        return str(found)

    return OutputSchema("request_search", _object_schema((Asked.TERM,), words), decode)


def _object_schema(asked: tuple[Asked, ...], values: Sequence[str]) -> dict[str, Any]:
    properties = {key.value: _schema_of(key, values) for key in asked}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _schema_of(key: Asked, values: Sequence[str]) -> dict[str, Any]:
    match key:
        case Asked.INTENT:
            return {"type": "string", "enum": [name.value for name in IntentName]}
        case Asked.CONFIDENCE:
            return {"type": "integer", "enum": list(range(0, 101, 10))}
        case Asked.RISK:
            return {"type": "string", "enum": [risk.value for risk in Risk]}
        case Asked.REASON:
            return {"type": "string", "enum": [reason.value for reason in Reason]}
        case Asked.TERM:
            return {"type": "string", "enum": list(values)}
        case Asked.ENTITIES:
            free = {"type": "string", "maxLength": VALUE_CHARACTERS_MAX}
            value = {"type": "string", "enum": list(values)} if values else free
            entity = {
                "type": "object",
                "properties": {"type": {"type": "string", "enum": [kind.value for kind in EntityType]}, "value": value},
                "required": ["type", "value"],
                "additionalProperties": False,
            }
            return {"type": "array", "items": entity, "maxItems": ENTITIES_IN_REPLY_MAX}


def _decode(data: bytes, asked: tuple[Asked, ...], allowed: frozenset[str]) -> StepReply:
    found = _object(data, set(asked))
    entities = found.get(Asked.ENTITIES, [])
    if not isinstance(entities, list) or len(entities) > ENTITIES_IN_REPLY_MAX:
        raise ValueError(f"entities is not a list of at most {ENTITIES_IN_REPLY_MAX}")
    return StepReply(
        intent=_member(IntentName, found, Asked.INTENT),
        entities=tuple(_named(each, allowed) for each in entities),
        confidence=_confidence(found),
        risk=_member(Risk, found, Asked.RISK),
        reason=_member(Reason, found, Asked.REASON),
    )


def _object(data: bytes, keys: set[Asked]) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the reply is no JSON: {error}") from error
    if not isinstance(found, dict) or found.keys() != {key.value for key in keys}:
        raise ValueError(f"the reply is not an object with the keys {', '.join(sorted(keys))}")
    return found


_Code = TypeVar("_Code", bound=StrEnum)


def _member(codes: type[_Code], found: dict[str, Any], key: Asked) -> _Code | None:
    if key not in found:
        return None
    try:
        return codes(found[key])
    except ValueError as error:
        raise ValueError(f"{key} is none of those that exist") from error


def _confidence(found: dict[str, Any]) -> float | None:
    if Asked.CONFIDENCE not in found:
        return None
    value = found[Asked.CONFIDENCE]
    if type(value) is not int or not 0 <= value <= 100:
        raise ValueError("confidence is no whole number from 0 to 100")
    return value / 100


def _named(each: object, allowed: frozenset[str]) -> Named:
    if not isinstance(each, dict) or each.keys() != {"type", "value"} or not isinstance(each["value"], str):
        raise ValueError("an entity is not an object of type and value")
    if not each["value"] or (allowed and each["value"] not in allowed):
        raise ValueError("an entity's value is none of those that were offered")
    try:
        return Named(EntityType(each["type"]), each["value"])
    except ValueError as error:
        raise ValueError("an entity's type does not exist") from error
