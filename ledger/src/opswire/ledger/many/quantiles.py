"""Weighted quantiles, and the requests inside a band of them."""

from __future__ import annotations

from collections.abc import Sequence

BANDS = ((45.0, 55.0), (92.5, 97.5), (98.0, 100.0))
"""The typical, the slow and the slowest, in percentiles of the end-to-end time."""


def quantiles(values: Sequence[int], weights: Sequence[float], *parts: float) -> list[int]:
    """For each part, rising, the smallest value that at least so much of the weight does not exceed: one that occurred.

    Empty where there are no values.
    """
    ordered = sorted(zip(values, weights, strict=True))
    total = sum(weights)
    found: list[int] = []
    passed = 0.0
    for value, weight in ordered:
        passed += weight
        while len(found) < len(parts) and passed >= parts[len(found)] * total * (1 - 1e-12):
            found.append(value)
    return found + [ordered[-1][0]] * (len(parts) - len(found)) if ordered else []


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
