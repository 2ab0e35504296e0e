"""The labelled requests of an evaluation: one JSON object a line, each checked before anything is counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated

from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import EntityType, Risk
from pydantic import BaseModel, ConfigDict, Field, ValidationError

LINES_MAX = 100_000
LINE_BYTES_MAX = 1_048_576

Query = Annotated[str, Field(min_length=1)]
Accepted = Annotated[list[IntentName], Field(max_length=len(IntentName))]


class EvaluationError(ValueError):
    """The evaluation cannot be made. `advice` says what to do about it."""

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(sentence)
        self.advice = advice


class ExpectedEntity(BaseModel):
    """Something that the text names, as its author's label spells it."""

    model_config = ConfigDict(frozen=True)

    type: EntityType
    value: Annotated[str, Field(min_length=1)]

    @property
    def key(self) -> tuple[str, str]:
        """What two entities must share to be the same: type and value, whatever the case and the space around."""
        return entity_key(self.type, self.value)


class Expectation(BaseModel):
    """One request and what a person says that it means. Fields that are not ours, such as a source, are ignored."""

    model_config = ConfigDict(frozen=True)

    query: Query
    expected_intent: IntentName
    also_accepted: Accepted = []
    expected_entities: list[ExpectedEntity] = []
    expected_risk: Risk
    risk_also_accepted: list[Risk] = []

    @property
    def intents(self) -> frozenset[IntentName]:
        """Every intent that counts as right when counting leniently."""
        return frozenset((self.expected_intent, *self.also_accepted))

    @property
    def risks(self) -> frozenset[Risk]:
        """Every risk that counts as right."""
        return frozenset((self.expected_risk, *self.risk_also_accepted))


def entity_key(kind: EntityType, value: str) -> tuple[str, str]:
    """Type and value as they are compared."""
    return kind.value, " ".join(value.split()).casefold()


def read_expectations(path: Path) -> list[Expectation]:
    """The requests of a file in its order. Raises EvaluationError that names the first line that is none."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}", "the path of a file of JSON lines") from error
    return parse_expectations(body, str(path))


def own_expectations() -> list[Expectation]:
    """The requests that ship with the project."""
    file = resources.files("opswire.intent.data") / "evaluation" / "requests.jsonl"
    return parse_expectations(file.read_bytes(), "requests.jsonl")


def parse_expectations(body: bytes, name: str) -> list[Expectation]:
    """The requests of a file's bytes; blank lines are passed over. Raises EvaluationError with name and line number."""
    found: list[Expectation] = []
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(line) > LINE_BYTES_MAX:
            raise EvaluationError(f"{name}, line {number}: longer than {LINE_BYTES_MAX} bytes")
        try:
            found.append(Expectation.model_validate_json(line.strip()))
        except ValidationError as error:
            raise EvaluationError(
                f"{name}, line {number}: {_first(error)}", "correct the line, or take it out"
            ) from error
        if len(found) > LINES_MAX:
            raise EvaluationError(f"{name} holds more than {LINES_MAX} requests", "evaluate it in parts")
    if not found:
        raise EvaluationError(f"{name} holds no request", 'lines such as {"query": ..., "expected_intent": ...}')
    return found


def digest_of(expectations: Iterable[Expectation]) -> str:
    """SHA-256 over the requests and their labels: whether two runs were asked the same."""
    hashed = hashlib.sha256()
    for expectation in expectations:
        hashed.update(expectation.model_dump_json().encode() + b"\n")
    return hashed.hexdigest()


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=True, include_context=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    if not where:
        return f"no JSON object: {found['msg']}"
    if found["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {found['msg']}; found {str(found['input'])[:60]!r}"
