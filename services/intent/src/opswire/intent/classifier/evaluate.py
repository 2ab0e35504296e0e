"""How well the classifier reads requests it has not seen: `python -m opswire.intent.classifier.evaluate FILE [--json]`.

A line of the file is `{"query", "expected_intent", "also_accepted", "expected_risk", "risk_also_accepted"}`. Strict
counts the expected intent alone, lenient the accepted ones too. Under-risk counts requests whose computed risk lies
below every accepted one: such a mistake would pass by an approval.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import Risk
from opswire.intent.classifier.model import THRESHOLD, Classifier
from opswire.intent.language.entities import extract_entities
from opswire.intent.language.names import NameIndex
from opswire.intent.language.risk import risk_of


@dataclass(frozen=True, slots=True)
class Miss:
    """One request that was read otherwise than expected."""

    query: str
    expected: str
    guessed: str
    probability: float
    accepted: bool


@dataclass(slots=True)
class Result:
    """Counts over a file; shares are of all requests unless said otherwise."""

    total: int = 0
    strict: int = 0
    lenient: int = 0
    covered: int = 0
    covered_strict: int = 0
    covered_lenient: int = 0
    under_risk: int = 0
    under_risk_covered: int = 0
    threshold: float = THRESHOLD
    misses: list[Miss] = field(default_factory=list)


def evaluate(classifier: Classifier, rows: Iterable[dict[str, Any]], threshold: float = THRESHOLD) -> Result:
    """Read every row and count. The inventory is empty: names are told by shape and grammar alone."""
    result, names = Result(threshold=threshold), NameIndex()
    for row in rows:
        best = classifier.classify(row["query"])[0]
        strict = best.name.value == row["expected_intent"]
        lenient = strict or best.name.value in row["also_accepted"]
        under = _is_under_risk(row, best.name, names)
        covered = best.probability >= threshold
        result.total += 1
        result.strict += strict
        result.lenient += lenient
        result.covered += covered
        result.covered_strict += covered and strict
        result.covered_lenient += covered and lenient
        result.under_risk += under
        result.under_risk_covered += covered and under
        if not strict:
            miss = Miss(row["query"], row["expected_intent"], best.name.value, round(best.probability, 3), lenient)
            result.misses.append(miss)
    return result


def _is_under_risk(row: dict[str, Any], intent: IntentName, names: NameIndex) -> bool:
    risk = risk_of(intent, extract_entities(row["query"], names), names, row["query"])
    accepted = [Risk(name) for name in (row["expected_risk"], *row["risk_also_accepted"])]
    return risk.rank < min(each.rank for each in accepted)


def summary(result: Result) -> str:
    """The figures for a person, in a few lines."""
    total, covered = result.total or 1, result.covered or 1
    return "\n".join(
        (
            f"{result.total} requests: strict {result.strict / total:.1%}, lenient {result.lenient / total:.1%}, "
            f"under-risk {result.under_risk} ({result.under_risk / total:.1%})",
            f"at confidence {result.threshold:.2f}: answered {result.covered} ({result.covered / total:.1%}), of them "
            f"strict {result.covered_strict / covered:.1%}, lenient {result.covered_lenient / covered:.1%}, "
            f"under-risk {result.under_risk_covered}",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate a file of labelled requests with a trained model and print the figures and every miss."""
    parser = argparse.ArgumentParser(prog="python -m opswire.intent.classifier.evaluate", description="evaluate")
    parser.add_argument("file", type=Path, help="requests as JSON lines")
    parser.add_argument("--model", type=Path, required=True, help="the trained npz file")
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    options = parser.parse_args(arguments)
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    result = evaluate(Classifier.load(options.model), rows, options.threshold)
    if options.json:
        print(json.dumps(asdict(result), ensure_ascii=False))  # noqa: T201
        return 0
    print(summary(result))  # noqa: T201
    for miss in result.misses:
        mark = "~" if miss.accepted else "x"
        print(f"  {mark} {miss.probability:.2f} {miss.guessed} for {miss.expected}: {miss.query[:110]!r}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
