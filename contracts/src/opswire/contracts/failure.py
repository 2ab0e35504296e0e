"""How a failure is named on the wire: a code from a closed shape and one sentence for a person."""

from __future__ import annotations

from opswire.contracts.message import Part
from opswire.contracts.types import Code, FinishStatus, ShortText
from pydantic import Field


class Failure(Part):
    """Why something ended as it did. `status` says which ending the sender sees."""

    status: FinishStatus
    code: Code
    detail: ShortText = Field(default="")
