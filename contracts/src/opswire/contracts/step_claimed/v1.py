"""A step that changes something is about to run, here and nowhere else."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.message import Message, Part
from opswire.contracts.plan_made.v2 import StepNumber
from opswire.contracts.types import AssetId, Digest, Name, Nanoseconds, RequestId
from pydantic import Field

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class FencingToken(Part):
    """The lock of one asset as the claim found it: the sequence of the lock's message. A later one is another run's."""

    asset_id: AssetId
    token: Annotated[int, Field(ge=1, le=2**63 - 1)]


class StepClaimed(Message):
    """The claim of one run on one step. After `deadline_ns` its tool is dead, whatever became of its process.

    `tokens` are the fencing tokens of the locks on the assets that the step touches.
    """

    STEM: ClassVar[str] = "step_claimed"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    number: StepNumber
    run_id: RunId
    executor: Name
    plan_digest: Digest
    tokens: Annotated[list[FencingToken], Field(max_length=8)] = Field(default_factory=list)
    claimed_ns: Nanoseconds
    deadline_ns: Nanoseconds
