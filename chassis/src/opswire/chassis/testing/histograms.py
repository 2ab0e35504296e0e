"""Whether the buckets of histograms fit: a value beyond the last bound says only that it was large."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric


def top_heavy(families: Iterable[Metric]) -> list[str]:
    """Histograms with values beyond their last bound: name, labels and that bound."""
    found = []
    for family in families:
        if family.type != "histogram":
            continue
        counts: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
                counts.setdefault(labels, {})[float(sample.labels["le"])] = sample.value
        for labels, buckets in counts.items():
            *_, last, infinite = sorted(buckets)
            if buckets[infinite] > buckets[last]:
                found.append(f"{family.name}{dict(labels)}: beyond {last:g}")
    return found
