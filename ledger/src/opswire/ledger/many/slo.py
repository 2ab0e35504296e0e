"""Targets by route: what share of requests must be good, how much of the allowed rest is used up, and how fast.

A request is good when it ended well and in time. The budget of a target is the share that may be bad over its window;
the burn rate is how many times faster than allowed it is being used: at 1 it lasts exactly the window.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opswire.ledger.rows.model import RequestRow, is_unfinished

_SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * _SECOND_NS
BURN_WINDOWS_NS = {"5m": HOUR_NS // 12, "30m": HOUR_NS // 2, "1h": HOUR_NS, "6h": 6 * HOUR_NS}
"""Two pairs, each a long window that is sure and a short one that ends the alarm soon after the trouble."""
FAST_BURN = 14.4
"""Uses 2 % of a budget of 30 days in an hour: somebody should be woken."""
SLOW_BURN = 6.0
"""Uses 5 % of it in six hours: somebody should look today."""
DEFAULT_TARGETS = """\
# Each [[targets]] says which requests must be how fast, and what share of them. The first route that fits counts twice
# if two targets name it: targets do not hide each other.
#   route         as `opswire latency` shows it; `*` at its end stands for anything
#   latency_ms    a good request took at most this long, the stages in `without` not counted
#   objective     the share that must be good, above 0 and below 1
#   window_days   what the budget is for
#   without       stages that are not ours to shorten, such as the time that a person took to approve
#   bad_outcomes  outcomes that are never good, however fast

[[targets]]
name = "answered in time"
route = "*"
latency_ms = 5000
objective = 0.99
window_days = 30
without = ["approval.wait"]
bad_outcomes = ["failed", "expired"]
"""


class TargetsError(ValueError):
    """The targets cannot be read. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Target:
    """One promise. See DEFAULT_TARGETS for what each field says."""

    name: str
    route: str
    latency_ms: float
    objective: float
    window_days: float
    without: tuple[str, ...]
    bad_outcomes: tuple[str, ...]

    def concerns(self, row: RequestRow) -> bool:
        """Whether the request is one of those that the promise is about."""
        if self.route.endswith("*"):
            return row.route.startswith(self.route[:-1])
        return row.route == self.route

    def is_good(self, row: RequestRow) -> bool:
        """Whether the request kept the promise."""
        spared = sum(row.stages[stage][0] for stage in self.without if stage in row.stages)
        return row.outcome not in self.bad_outcomes and row.e2e_ns - spared <= self.latency_ms * 1_000_000


@dataclass(frozen=True, slots=True)
class Burn:
    """One window: how many requests, how many bad ones, and the burn rate; None where there were no requests."""

    window: str
    requests: float
    bad: float
    rate: float | None


@dataclass(frozen=True, slots=True)
class TargetState:
    """How a target does. `budget_left` is 1 untouched, 0 used up, negative where the promise is broken.

    `verdict` is `page`, `ticket`, `broken`, `ok` or `no data`.
    """

    target: Target
    requests: float
    bad: float
    good_share: float | None
    budget_left: float | None
    burns: tuple[Burn, ...]
    verdict: str


def read_targets(text: str) -> list[Target]:
    """The targets of a TOML text. Raises TargetsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetsError(f"the targets are not TOML: {error}") from error
    entries = document.get("targets")
    unknown = set(document) - {"targets"}
    if unknown or not isinstance(entries, list) or not entries:
        raise TargetsError(
            "the targets are a list of [[targets]] tables" + (f", not {sorted(unknown)}" if unknown else "")
        )
    return [_target(entry, number) for number, entry in enumerate(entries, 1)]


def longest_window_ns(targets: Iterable[Target]) -> int:
    """How far back rows are needed, in nanoseconds."""
    return max([*BURN_WINDOWS_NS.values(), *(round(target.window_days * 24 * HOUR_NS) for target in targets)])


def states_of(targets: Sequence[Target], rows: Iterable[RequestRow], now_ns: int) -> list[TargetState]:
    """How each target does, from the rows of its longest window: read once, counted as they pass."""
    counts = [{name: [0.0, 0.0] for name in ("", *BURN_WINDOWS_NS)} for _ in targets]
    for row in rows:
        if is_unfinished(row.flags):
            continue
        age_ns = now_ns - row.t1_ns
        for target, own in zip(targets, counts, strict=True):
            if not target.concerns(row):
                continue
            bad = 0.0 if target.is_good(row) else row.weight
            for name, counted in own.items():
                if 0 <= age_ns <= (BURN_WINDOWS_NS[name] if name else target.window_days * 24 * HOUR_NS):
                    counted[0] += row.weight
                    counted[1] += bad
    return [_state(target, own) for target, own in zip(targets, counts, strict=True)]


def _state(target: Target, counts: Mapping[str, Sequence[float]]) -> TargetState:
    allowed = 1 - target.objective
    burns = tuple(
        Burn(name, counts[name][0], counts[name][1], _share(counts[name], allowed)) for name in BURN_WINDOWS_NS
    )
    requests, bad = counts[""]
    left = None if not requests else 1 - bad / requests / allowed
    return TargetState(
        target, requests, bad, 1 - bad / requests if requests else None, left, burns, _verdict(burns, left)
    )


def _verdict(burns: Sequence[Burn], left: float | None) -> str:
    rates = {burn.window: burn.rate or 0.0 for burn in burns}
    if left is None:
        return "no data"
    if min(rates["1h"], rates["5m"]) >= FAST_BURN:
        return "page"
    if min(rates["6h"], rates["30m"]) >= SLOW_BURN:
        return "ticket"
    return "broken" if left < 0 else "ok"


def _share(counted: Sequence[float], allowed: float) -> float | None:
    requests, bad = counted
    return bad / requests / allowed if requests else None


def _target(entry: object, number: int) -> Target:
    if not isinstance(entry, dict):
        raise TargetsError(f"target {number} is no table")
    where = f"target {number}"
    known = {"name", "route", "latency_ms", "objective", "window_days", "without", "bad_outcomes"}
    if set(entry) - known:
        raise TargetsError(f"{where} has fields that nobody knows: {', '.join(sorted(set(entry) - known))}")
    route = _text(entry, "route", "*", where)
    return Target(
        name=_text(entry, "name", route, where),
        route=route,
        latency_ms=_number(entry, "latency_ms", None, lambda value: value > 0, where),
        objective=_number(entry, "objective", None, lambda value: 0 < value < 1, where),
        window_days=_number(entry, "window_days", 30.0, lambda value: 0 < value <= 366, where),
        without=_texts(entry, "without", (), where),
        bad_outcomes=_texts(entry, "bad_outcomes", ("failed", "expired"), where),
    )


def _text(entry: Mapping[str, Any], name: str, default: str, where: str) -> str:
    value = entry.get(name, default)
    if not isinstance(value, str) or not value:
        raise TargetsError(f"{where}: {name} is a word")
    return value


def _texts(entry: Mapping[str, Any], name: str, default: tuple[str, ...], where: str) -> tuple[str, ...]:
    value = entry.get(name, list(default))
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TargetsError(f"{where}: {name} is a list of words")
    return tuple(value)


def _number(
    entry: Mapping[str, Any], name: str, default: float | None, is_right: Callable[[float], bool], where: str
) -> float:
    value = entry.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_right(value):
        raise TargetsError(f"{where}: {name} is missing or out of range: {value!r}")
    return float(value)
