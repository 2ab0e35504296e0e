"""One person's signed word on a plan."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from opswire.contracts.approval_requested.v1 import Nonce, Round
from opswire.contracts.message import Message
from opswire.contracts.types import Digest, Nanoseconds, RequestId, ShortText
from pydantic import Field

PublicKey = Annotated[str, Field(pattern=r"^U[A-Z2-7]{55}$")]
Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class ApprovalGiven(Message):
    """Approve or deny, by the holder of the nkey `approver`.

    `signature` is Ed25519 over a statement that the executor makes anew of the round that it asked: the domain,
    approver, source and request id, round, decision, plan digest, targets, policy version, expiry and nonce. What
    stands here beside it says which statement that is, and is believed as far as the signature covers it. `note` and
    `given_ns` are the approver's own remark and clock; nothing rests on them.
    """

    STEM: ClassVar[str] = "approval_given"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    round: Round
    approver: PublicKey
    decision: Literal["approve", "deny"]
    plan_digest: Digest
    nonce: Nonce
    signature: Signature
    note: ShortText = ""
    given_ns: Nanoseconds
