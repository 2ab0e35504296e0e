"""From answers to figures. Shares are 0 to 1, of all answers unless said otherwise; a failure counts as a wrong one.

Entities are counted over all requests together; where none was read, or none expected, the share is 1 if the other
is none too, else 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from opswire.contracts.taxonomy import IntentName
from opswire.intent.evaluation.answers import Answer, Spent

BINS = 10
CONFUSIONS_SHOWN = 20
PERCENTILES = (50, 95, 99)
Figures = dict[str, Any]

HEADLINE = (
    "strict_accuracy",
    "lenient_accuracy",
    "macro_f1",
    "entity_precision",
    "entity_recall",
    "risk_accuracy",
    "under_risk_rate",
)
"""The figures at the top of a report, beside `n`. All but the last are better when higher."""


def figures(answers: Sequence[Answer], threshold: float) -> Figures:
    """Everything that is counted over at least one answer, headline first; `requests` holds each of them."""
    by_intent = _by_intent(answers)
    hits = sum(len(answer.entities & answer.wanted) for answer in answers)
    found = sum(len(answer.entities) for answer in answers)
    wanted = sum(len(answer.wanted) for answer in answers)
    under_risk = sum(answer.under_risk for answer in answers)
    return {
        "n": len(answers),
        "strict_accuracy": sum(answer.strict for answer in answers) / len(answers),
        "lenient_accuracy": sum(answer.lenient for answer in answers) / len(answers),
        "macro_f1": sum(row["f1"] for row in by_intent.values()) / len(by_intent),
        "entity_precision": hits / found if found else float(not wanted),
        "entity_recall": hits / wanted if wanted else float(not found),
        "risk_accuracy": sum(answer.risk_right for answer in answers) / len(answers),
        "under_risk_rate": under_risk / len(answers),
        "under_risk_count": under_risk,
        "calibration_error": calibration_error(answers),
        "answered": _answered(answers, threshold),
        "latency_ms": _latency(answers),
        "failures": _failures(answers),
        "sources": _sources(answers),
        "usage": usage_of(answers),
        "confusions": _confusions(answers),
        "entities": {"found": found, "expected": wanted, "right": hits},
        "by_intent": by_intent,
        "calibration": calibration(answers),
        "requests": [_request(answer, threshold) for answer in answers],
    }


def calibration(answers: Sequence[Answer]) -> list[Figures]:
    """Ten bins of equal width: how sure the answers in it were, and how many of them were (strictly) right.

    A failure is sure of nothing and is in no bin.
    """
    bins: list[list[Answer]] = [[] for _ in range(BINS)]
    for answer in answers:
        if answer.intent is not None:
            bins[min(int(answer.confidence * BINS), BINS - 1)].append(answer)
    return [
        {
            "from": index / BINS,
            "n": len(inside),
            "confidence": _mean([answer.confidence for answer in inside]),
            "strict_accuracy": _mean([float(answer.strict) for answer in inside]),
        }
        for index, inside in enumerate(bins)
    ]


def calibration_error(answers: Sequence[Answer]) -> float:
    """The expected calibration error: the gap between confidence and strict accuracy, averaged over the answers.

    Those that failed are left out: they are sure of nothing.
    """
    bins = calibration(answers)
    gaps = [row["n"] * abs(row["confidence"] - row["strict_accuracy"]) for row in bins]
    inside: int = sum(row["n"] for row in bins)
    return math.fsum(gaps) / max(1, inside)


def _answered(answers: Sequence[Answer], threshold: float) -> Figures:
    """What the service answers at this threshold; the rest ends as a question back."""
    given = [answer for answer in answers if answer.intent is not None and answer.confidence >= threshold]
    return {
        "threshold": threshold,
        "n": len(given),
        "coverage": len(given) / len(answers),
        "strict_accuracy": _mean([float(answer.strict) for answer in given]),
        "lenient_accuracy": _mean([float(answer.lenient) for answer in given]),
        "under_risk_count": sum(answer.under_risk for answer in given),
    }


def _by_intent(answers: Sequence[Answer]) -> dict[str, Figures]:
    """Strict precision, recall and F1 of every intent that was expected or read: what macro-F1 averages."""
    expected = Counter(answer.expected.expected_intent for answer in answers)
    read = Counter(answer.intent for answer in answers)
    right = Counter(answer.intent for answer in answers if answer.strict)
    return {
        name.value: {
            "expected": expected[name],
            "read": read[name],
            "precision": right[name] / read[name] if read[name] else 0.0,
            "recall": right[name] / expected[name] if expected[name] else 0.0,
            "f1": 2 * right[name] / (expected[name] + read[name]),
        }
        for name in IntentName
        if expected[name] or read[name]
    }


def _confusions(answers: Sequence[Answer]) -> list[Figures]:
    """What was taken for what, the most frequent first; `accepted` of them count as right leniently."""
    missed = [
        (answer.expected.expected_intent.value, answer.intent.value, answer.lenient)
        for answer in answers
        if answer.intent is not None and not answer.strict
    ]
    pairs = Counter((expected, read) for expected, read, _ in missed)
    accepted = Counter((expected, read) for expected, read, lenient in missed if lenient)
    ordered = sorted(pairs, key=lambda pair: (-pairs[pair], accepted[pair], pair))
    return [
        {"expected": pair[0], "read": pair[1], "n": pairs[pair], "accepted": accepted[pair]}
        for pair in ordered[:CONFUSIONS_SHOWN]
    ]


def _latency(answers: Sequence[Answer]) -> Figures:
    """Milliseconds of one reading, nearest-rank percentiles."""
    ordered = sorted(answer.latency_ms for answer in answers)
    ranks = {f"p{percent}": math.ceil(percent / 100 * len(ordered)) - 1 for percent in PERCENTILES}
    return {**{name: round(ordered[rank], 4) for name, rank in ranks.items()}, "max": round(ordered[-1], 4)}


def _failures(answers: Sequence[Answer]) -> Figures:
    """Requests that got no intent, by the code of their error; they are counted as wrong everywhere above."""
    by_code = Counter(answer.failure for answer in answers if answer.failure)
    examples = {answer.failure: answer.detail for answer in reversed(answers) if answer.failure}
    return {
        "n": by_code.total(),
        "rate": by_code.total() / len(answers),
        "by_code": dict(by_code.most_common()),
        "examples": examples,
    }


def _sources(answers: Sequence[Answer]) -> Figures:
    """Which tier gave how many answers, how good they are and how long they take; a failure is of `none`."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.source, []).append(answer)
    return {
        name: {
            "n": len(group),
            "strict_accuracy": _mean([float(answer.strict) for answer in group]),
            "lenient_accuracy": _mean([float(answer.lenient) for answer in group]),
            "under_risk_count": sum(answer.under_risk for answer in group),
            "latency_ms": _latency(group),
        }
        for name, group in sorted(groups.items())
    }


def usage_of(answers: Sequence[Answer]) -> Figures:
    """Model calls, tokens as the provider counted them and US dollars: summed, and per request of all requests.

    `cost_usd` is None as soon as one call has no known price. `unmeasured_calls` failed and told no usage.
    """
    spent = sum((answer.spent for answer in answers), Spent())
    sums: Figures = {
        "calls": spent.calls,
        "prompt_tokens": spent.usage.input_tokens,
        "cached_tokens": spent.usage.cached_input_tokens,
        "output_tokens": spent.usage.output_tokens,
        "cost_usd": spent.cost_usd,
    }
    shares = {name: None if value is None else value / len(answers) for name, value in sums.items()}
    return {
        **sums,
        "cache_write_tokens": spent.usage.cache_write_tokens,
        "unmeasured_calls": spent.unmeasured,
        "requests_with_a_call": sum(answer.spent.calls > 0 for answer in answers),
        "cached_share": spent.usage.cached_input_tokens / max(1, spent.usage.input_tokens),
        "per_request": shares,
    }


def _request(answer: Answer, threshold: float) -> Figures:
    return {
        "query": answer.expected.query,
        "expected_intent": answer.expected.expected_intent.value,
        "intent": None if answer.intent is None else answer.intent.value,
        "confidence": round(answer.confidence, 4),
        "answered": answer.intent is not None and answer.confidence >= threshold,
        "strict": answer.strict,
        "lenient": answer.lenient,
        "expected_risk": answer.expected.expected_risk.value,
        "risk": None if answer.risk is None else answer.risk.value,
        "risk_right": answer.risk_right,
        "under_risk": answer.under_risk,
        "entities_missed": _listed(answer.wanted - answer.entities),
        "entities_invented": _listed(answer.entities - answer.wanted),
        "latency_ms": round(answer.latency_ms, 4),
        "source": answer.source,
        "failure": answer.failure or None,
        "calls": answer.spent.calls,
        "prompt_tokens": answer.spent.usage.input_tokens,
        "cached_tokens": answer.spent.usage.cached_input_tokens,
        "output_tokens": answer.spent.usage.output_tokens,
        "cost_usd": answer.spent.cost_usd,
    }


def _listed(keys: frozenset[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"type": kind, "value": value} for kind, value in sorted(keys)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
