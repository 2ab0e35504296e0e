"""Which assets a request concerns, found out by the assets service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from opswire.contracts.findings import AlertSummary, Asset, IntentFinding, Marks, Requester
from opswire.contracts.message import Message
from opswire.contracts.types import ASSETS_MAX, Nanoseconds, RequestId, Text
from pydantic import Field


class ContextResolved(Message):
    """The assets of a request. `total` counts all that match; `assets` holds the first 200 of them, by name.

    `selection` is `none` (the request names nothing), `named` (assets named in the text) or `filtered` (assets
    that match environment, type, group, tag, site or system). Named assets stand in the order of the text. `hosts` are
    the hosts that selected services and databases live on, for whoever has to reach them. For a diagnosis what the
    assets depend on stands behind them, of any type, and the hosts of that: to be looked at. Only `assets` are targets.
    """

    STEM: ClassVar[str] = "context_resolved"
    VERSION: ClassVar[int] = 1

    request_id: RequestId
    requester: Requester
    text: Text
    intent: IntentFinding
    selection: Annotated[str, Field(pattern=r"^(none|named|filtered)$")]
    assets: Annotated[list[Asset], Field(max_length=ASSETS_MAX)] = Field(default_factory=list)
    hosts: Annotated[list[Asset], Field(max_length=ASSETS_MAX)] = Field(default_factory=list)
    total: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0
    alerts: Annotated[list[AlertSummary], Field(max_length=100)] = Field(default_factory=list)
    accepted_ns: Nanoseconds
    deadline_ns: Nanoseconds
    marks: Marks = Field(default_factory=list)
