"""A person found out what became of a step whose outcome was unknown."""

from __future__ import annotations

from typing import ClassVar, Literal

from opswire.contracts.approval_given.v1 import PublicKey, Signature
from opswire.contracts.message import Message
from opswire.contracts.plan_made.v2 import StepNumber
from opswire.contracts.types import Nanoseconds, RequestId, ShortText


class ResolutionRecorded(Message):
    """It was `done`, `not_done` or `repaired` by hand, says the holder of the nkey; signed over all that stands here.

    The request's outcome stays `needs_human`: this settles who looked, and what was found.
    """

    STEM: ClassVar[str] = "resolution_recorded"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    number: StepNumber
    found: Literal["done", "not_done", "repaired"]
    person: PublicKey
    note: ShortText
    found_ns: Nanoseconds
    signature: Signature
