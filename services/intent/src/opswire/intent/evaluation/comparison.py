"""Two runs beside each other: what changed, on which requests, and whether it may be chance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opswire.intent.evaluation.expectations import EvaluationError
from opswire.intent.evaluation.figures import HEADLINE, Figures

COMPARED = (*HEADLINE, "calibration_error")
SPENT = ("calls", "prompt_tokens", "cached_tokens", "output_tokens", "cost_usd")
"""Per request; lower is better for all but the cached tokens."""
MADE_WITH = ("tier", "prompts", "model")
_ADVICE = "a file that `opswire eval intents --json` wrote"


def read_report(path: Path) -> Figures:
    """The report of an earlier run. Raises EvaluationError when the file holds none."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}", _ADVICE) from error
    except ValueError as error:
        raise EvaluationError(f"{path} is no JSON document: {error}", _ADVICE) from error
    if not _is_report(found):
        raise EvaluationError(f"{path} is no report of an evaluation", _ADVICE)
    report: Figures = found
    return report


def compare(now: Mapping[str, Any], before: Mapping[str, Any]) -> Figures:
    """Each headline figure before and now, what was spent, and the requests that became (leniently) right or wrong.

    Requests are matched by their text. `chance` is the probability that changes as one-sided as these come from
    answers that are equally good (exact sign test, two-sided); 1 where nothing changed.
    """
    earlier = {row["query"]: row["lenient"] for row in before["requests"]}
    shared = [row for row in now["requests"] if row["query"] in earlier]
    gained = [row["query"] for row in shared if row["lenient"] and not earlier[row["query"]]]
    lost = [row["query"] for row in shared if not row["lenient"] and earlier[row["query"]]]
    return {
        "n_before": before["n"],
        "n_shared": len(shared),
        "same_requests": now["requests_digest"] == before["requests_digest"],
        "figures": {
            name: {"before": before[name], "now": now[name], "change": now[name] - before[name]} for name in COMPARED
        },
        "usage": _spent(now, before),
        "made_with": {name: {"before": before.get(name), "now": now.get(name)} for name in MADE_WITH},
        "gained": gained,
        "lost": lost,
        "chance": _sign_test(len(gained), len(lost)),
    }


def _spent(now: Mapping[str, Any], before: Mapping[str, Any]) -> Figures:
    """Calls, tokens and cost of one request before and now; `change` is relative, None where it means nothing."""
    earlier, later = _per_request(before), _per_request(now)
    found: Figures = {}
    for name in SPENT:
        was, is_now = earlier.get(name), later.get(name)
        found[name] = {"before": was, "now": is_now, "change": is_now / was - 1 if was and is_now is not None else None}
    return found


def _per_request(report: Mapping[str, Any]) -> Mapping[str, Any]:
    # A report of before the model tier holds no usage: it was all local.
    found: Mapping[str, Any] = report.get("usage", {}).get("per_request", {})
    return found


def _is_report(found: object) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("requests"), list):
        return False
    rows_hold = all(
        isinstance(row, dict) and isinstance(row.get("query"), str) and isinstance(row.get("lenient"), bool)
        for row in found["requests"]
    )
    numbers = all(isinstance(found.get(name), int | float) for name in ("n", *COMPARED))
    usage = found.get("usage", {})
    if not isinstance(usage, dict) or not isinstance(usage.get("per_request", {}), dict):
        return False
    numbers = numbers and all(isinstance(usage.get("per_request", {}).get(name), int | float | None) for name in SPENT)
    return rows_hold and numbers and isinstance(found.get("requests_digest"), str)


def _sign_test(gained: int, lost: int) -> float:
    changed = gained + lost
    tail = sum(math.comb(changed, count) for count in range(min(gained, lost) + 1))
    return float(min(1.0, 2 * tail / 2**changed))
