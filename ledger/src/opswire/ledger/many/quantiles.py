"""Weighted quantiles, and the requests inside a band of them."""

from __future__ import annotations

from collections.abc import Sequence

BANDS = ((45.0, 55.0), (92.5, 97.5), (98.0, 100.0))
"""The typical, the slow and the slowest, in percentiles of the end-to-end time."""


def quantile(values: Sequence[int], weights: Sequence[float], part: float) -> int | None:
    """The smallest value that at least `part` of the weight does not exceed; a value that occurred. None for none."""
    ordered = sorted(zip(values, weights, strict=True))
    if not ordered:
        return None
    wanted = part * sum(weights)
    passed = 0.0
    for value, weight in ordered:
        passed += weight
        if passed >= wanted * (1 - 1e-12):
            return value
    return ordered[-1][0]


def places_in_band(values: Sequence[int], weights: Sequence[float], low: float, high: float) -> list[int]:
    """The places whose value lies inside the percentiles `low` to `high`: by the middle of its share of the weight.

    Never empty where there are values: of few requests the one nearest to the middle of the band.
    """
    order = sorted(range(len(values)), key=lambda place: (values[place], place))
    total = sum(weights)
    passed = 0.0
    found, nearest, nearest_by = [], -1, float("inf")
    for place in order:
        middle = 100 * (passed + weights[place] / 2) / total
        passed += weights[place]
        if low <= middle < high:
            found.append(place)
        if abs(middle - (low + high) / 2) < nearest_by:
            nearest, nearest_by = place, abs(middle - (low + high) / 2)
    return found or ([nearest] if nearest >= 0 else [])
