"""What a probe after a write says: pass, fail, or unknown, which is a finding of its own and is told."""

from __future__ import annotations

from opswire.contracts.step_finished import Verified
from opswire.executor.rules.cells import plain
from opswire.executor.usecases.limits import Ending
from opswire.executor.usecases.written import fitting_rows


def verified(tool: str, ending: Ending) -> Verified:
    """The verdict of a probe; one that gave none, or could not be asked, is unknown."""
    if ending.result is None:
        why = str(ending.error)[:1_000] if ending.error else "the probe was interrupted"
        return Verified(tool=tool, status="unknown", detail=why)
    rows = fitting_rows(ending.result.records)
    verdict = ending.result.verdict
    if verdict is None:
        return Verified(tool=tool, status="unknown", detail="the probe gave no verdict", rows=rows)
    return Verified(tool=tool, status=verdict.status.value, detail=plain(verdict.detail, 1_000), rows=rows)
