"""Requests found in other projects: labelled whole, of a licence that lets them ship, never trained on."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from opswire.intent.classifier.features import masked
from opswire.intent.classifier.labelled import load_labelled, sameness
from opswire.intent.evaluation.expectations import own_expectations, parse_expectations

LICENCES = ("(MIT)", "(Apache-2.0)")
RESEMBLANCE_MAX = 0.6
"""As for the project's own set: the share of runs of three characters that two texts may have in common."""


@pytest.fixture(scope="module")
def body() -> bytes:
    return (resources.files("opswire.intent.data") / "evaluation" / "found.jsonl").read_bytes()


@pytest.fixture(scope="module")
def rows(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


def runs(text: str) -> frozenset[str]:
    padded = f" {masked(text)} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def test_every_line_is_an_expectation_with_its_entities_in_the_text(body: bytes) -> None:
    found = parse_expectations(body, "found.jsonl")
    assert len(found) >= 100
    assert len({row.expected_intent for row in found}) >= 20
    missing = [
        (row.query, entity.value)
        for row in found
        for entity in row.expected_entities
        if entity.value.casefold() not in row.query.casefold()
    ]
    assert missing == []


def test_every_line_names_a_source_of_the_origin_table_and_a_licence_that_permits(rows: list[dict[str, Any]]) -> None:
    origin = (resources.files("opswire.intent.data") / "evaluation" / "ORIGIN.md").read_text(encoding="utf-8")
    assert [row["source"] for row in rows if not row["source"].endswith(LICENCES)] == []
    repositories = {row["source"].partition(" ")[0] for row in rows}
    assert {name for name in repositories if f"`{name}`" not in origin} == set()
    assert {row["wording"] for row in rows} == {"verbatim", "placeholders filled in"}


def test_no_line_resembles_a_labelled_request_or_one_of_our_own_set(rows: list[dict[str, Any]]) -> None:
    labelled = load_labelled()
    keys = {sameness(row.text) for row in labelled} | {sameness(row.query) for row in own_expectations()}
    assert [row["query"] for row in rows if sameness(row["query"]) in keys] == []
    trained = [(runs(row.text), row.text) for row in labelled]
    close = [
        (row["query"], text)
        for row in rows
        for found in [runs(row["query"])]
        for known, text in trained
        if len(found & known) / len(found | known) > RESEMBLANCE_MAX
    ]
    assert close == []
