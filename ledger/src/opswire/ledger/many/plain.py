"""Tables over many requests as plain values, for programs and for the page: dictionaries, lists, numbers and words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from opswire.ledger.many.difference import Difference
from opswire.ledger.many.quantiles import BANDS
from opswire.ledger.many.sample import Sample
from opswire.ledger.many.stage_lines import OWN_PERCENTILES, StageTable
from opswire.ledger.rows.model import RequestRow


def plain(value: object) -> Any:
    """The same in values that JSON has. An interval without bounds is None: JSON knows no infinity."""
    if is_dataclass(value) and not isinstance(value, type):
        found = {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        return None if set(found) == {"low", "high"} and None in found.values() else found
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(one) for one in value]
    return value


def table_as_json(table: StageTable) -> dict[str, Any]:
    """The stage table. `lines[].band_means_ns` are in the order of `bands`; each of their columns adds up."""
    return {**plain(table), "percentiles_note": OWN_PERCENTILES, "band_limits": plain(BANDS)}


def difference_as_json(found: Difference) -> dict[str, Any]:
    """What changed; `causes` are the names of the parts that are more than chance, the first cause first."""
    return {**plain(found), "causes": [part.name for part in found.causes]}


def row_as_json(row: RequestRow, with_segments: bool = False) -> dict[str, Any]:
    """One request; its stages as nanoseconds by name."""
    found: dict[str, Any] = {
        "request_key": row.request_key,
        "route": row.route,
        "outcome": row.outcome,
        "t0_ns": row.t0_ns,
        "t1_ns": row.t1_ns,
        "e2e_ns": row.e2e_ns,
        "flags": list(row.flags),
        "stages": {stage: ns for stage, (ns, _) in row.stages.items()},
        "engine_version": row.engine_version,
    }
    if with_segments:
        found["segments"] = plain(row.segments)
        found["trace_ids"] = list(row.trace_ids)
        found["skew_bound_ns"] = row.skew_bound_ns
        found["attributes"] = plain(row.attributes)
    return found


def points_of(sample: Sample, points_max: int = 2_000) -> list[list[int]]:
    """Finish and end-to-end time of the requests, for a picture over time; evenly thinned out, the slowest stay."""
    places = range(len(sample))
    if len(sample) > points_max:
        step = -(-len(sample) // (points_max // 2))
        slowest = sorted(places, key=lambda place: -sample.e2e_ns[place])[: points_max // 2]
        places = sorted({*range(0, len(sample), step), *slowest})  # type: ignore[assignment]
    return [[sample.t1_ns[place], sample.e2e_ns[place]] for place in places]
