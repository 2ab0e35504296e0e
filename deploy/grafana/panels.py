"""What a dashboard is made of: a panel, and the usual queries of counters, gauges and histograms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One picture. `queries` are (legend, PromQL) pairs; a `stat` shows the last value, large."""

    title: str
    text: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def quantiles(metric: str, by: str = "", where: str = "") -> tuple[tuple[str, str], ...]:
    """The median and the 95th percentile of a histogram, for each value of the labels `by`."""
    labels = f"le, {by}" if by else "le"
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(",")) if by else ""
    return tuple(
        (
            f"p{round(share * 100)} {legend}".strip(),
            f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval])))",
        )
        for share in (0.5, 0.95)
    )


def rate(metric: str, by: str, where: str = "") -> tuple[tuple[str, str], ...]:
    """A counter's rise per second."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return ((legend, f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"),)


def value(metric: str, by: str, how: str = "max") -> tuple[tuple[str, str], ...]:
    """A gauge as it stands."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return ((legend, f"{how} by ({by}) ({metric})"),)


def one(query: str, legend: str = "") -> tuple[tuple[str, str], ...]:
    """A query of its own."""
    return ((legend, query),)
