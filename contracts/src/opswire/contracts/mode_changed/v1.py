"""What executors may do from now on."""

from __future__ import annotations

from typing import ClassVar, Literal

from opswire.contracts.approval_given.v1 import PublicKey, Signature
from opswire.contracts.message import Message
from opswire.contracts.types import Nanoseconds, ShortText


class ModeChanged(Message):
    """`normal`; `read_only`: nothing that changes anything is begun; `stopped`: no tool is begun, what runs is ended.

    Anybody who can write here may tighten; `normal` counts only with the signature of a person of the role `operator`.
    """

    STEM: ClassVar[str] = "mode_changed"
    VERSION: ClassVar[int] = 1

    mode: Literal["normal", "read_only", "stopped"]
    reason: ShortText
    person: PublicKey | None = None
    changed_ns: Nanoseconds
    signature: Signature | None = None
