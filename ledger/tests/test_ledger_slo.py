"""Targets: what is good, what is left of the budget, and when somebody should be woken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the module beside the tests: test folders are no packages here

from opswire.ledger.many.slo import DEFAULT_TARGETS, HOUR_NS, TargetsError, longest_window_ns, read_targets, states_of
from opswire.ledger.rows.model import RequestRow
from row_samples import BASE_NS, request_row

NOW_NS = BASE_NS
ONE = '[[targets]]\nname = "fast"\nroute = "intent>*"\nlatency_ms = 100\nobjective = 0.9\nwindow_days = 1\n'


def load(ages_s: list[float], slow_from: int, slow_to: int) -> list[RequestRow]:
    return [
        request_row(f"cli/{n}", -age, {"tool.run": 500 if slow_from <= n < slow_to else 10})
        for n, age in enumerate(ages_s)
    ]


def test_the_defaults_are_targets() -> None:
    (target,) = read_targets(DEFAULT_TARGETS)
    assert (target.route, target.latency_ms, target.objective) == ("*", 5000, 0.99)
    assert longest_window_ns([target]) == 30 * 24 * HOUR_NS


def test_a_budget_is_what_may_be_bad() -> None:
    rows = load([n * 60.0 for n in range(100)], 95, 100)
    (state,) = states_of(read_targets(ONE), rows, NOW_NS)
    assert (state.requests, state.bad, state.good_share) == (100, 5, 0.95)
    assert state.budget_left == pytest.approx(0.5)
    assert state.verdict == "ok"
    assert [burn.window for burn in state.burns] == ["5m", "30m", "1h", "6h"]


@pytest.mark.parametrize(
    ("ages_s", "slow", "objective", "verdict"),
    [
        ([n * 10.0 for n in range(360)], (0, 360), 0.95, "page"),
        ([n * 60.0 for n in range(360)], (0, 200), 0.93, "ticket"),
        ([3600.0 * 7 + n for n in range(100)], (0, 100), 0.95, "broken"),
        ([n * 60.0 for n in range(100)], (0, 0), 0.95, "ok"),
        ([3600.0 * 25], (0, 0), 0.95, "no data"),
    ],
)
def test_the_verdict_follows_how_fast_the_budget_burns(
    ages_s: list[float], slow: tuple[int, int], objective: float, verdict: str
) -> None:
    targets = read_targets(ONE.replace("0.9\n", f"{objective}\n"))
    (state,) = states_of(targets, load(ages_s, *slow), NOW_NS)
    assert state.verdict == verdict


def test_the_time_of_people_is_spared_and_a_failure_is_bad_however_fast() -> None:
    (target,) = read_targets(DEFAULT_TARGETS)
    waited = request_row("cli/1", 0, {"approval.wait": 7_200_000, "tool.run": 10})
    assert target.is_good(waited)
    assert not target.is_good(request_row("cli/2", 0, {"tool.run": 5_001}))
    assert not target.is_good(request_row("cli/3", 0, {"tool.run": 1}, outcome="failed"))
    assert target.is_good(request_row("cli/4", 0, {"tool.run": 1}, outcome="rejected"))


def test_only_the_targets_own_route_and_finished_requests_count() -> None:
    other = request_row("cli/1", -1, {"tool.run": 900}, route="assets")
    unfinished = request_row("cli/2", -1, {"tool.run": 900}, flags=("no_finish",))
    (state,) = states_of(read_targets(ONE), [other, unfinished], NOW_NS)
    assert state.requests == 0


@pytest.mark.parametrize(
    "text",
    [
        "targets = 1",
        "not toml",
        "[[targets]]\nlatency_ms = 1",
        ONE.replace("0.9", "1.0"),
        ONE.replace("100", "-1"),
        ONE.replace("100", "true"),
        ONE + "lattency = 3\n",
        ONE + "without = 3\n",
        "extra = 1\n" + ONE,
    ],
)
def test_targets_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(TargetsError):
        read_targets(text)
