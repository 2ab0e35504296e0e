"""What the services find out about a request: parts shared by several messages."""

from __future__ import annotations

from typing import Annotated

from opswire.contracts.message import Part
from opswire.contracts.taxonomy import IntentName
from opswire.contracts.types import (
    CANDIDATES_MAX,
    ENTITIES_MAX,
    AssetId,
    Confidence,
    EntityType,
    IntentSource,
    Labels,
    Name,
    Nanoseconds,
    RequesterKind,
    Risk,
    ShortText,
)
from pydantic import Field


class Requester(Part):
    """Who asks. The id is the upstream's own name for them; it proves nothing by itself."""

    id: Name
    kind: RequesterKind


class Entity(Part):
    """One thing named in the request, as the text spells it."""

    type: EntityType
    value: Annotated[str, Field(min_length=1, max_length=512)]


class IntentFinding(Part):
    """What is asked, how sure we are, and which tier said so. `risk` is computed for this request, never cached."""

    name: IntentName
    confidence: Confidence
    entities: Annotated[list[Entity], Field(max_length=ENTITIES_MAX)] = Field(default_factory=list)
    risk: Risk
    source: IntentSource


class Candidate(Part):
    """One reading of the request that the sender may choose."""

    kind: Annotated[str, Field(pattern=r"^(intent|asset)$")]
    value: Name
    label: ShortText = ""
    confidence: Confidence | None = None


Candidates = Annotated[list[Candidate], Field(max_length=CANDIDATES_MAX)]


class AlertSummary(Part):
    """One alert out of an event, as far as the services need it."""

    name: Name
    status: Annotated[str, Field(max_length=32)] = "firing"
    severity: Annotated[str, Field(max_length=64)] | None = None
    labels: Labels = Field(default_factory=dict)
    summary: ShortText = ""


class Asset(Part):
    """One asset as the inventory knew it at `generation`. Credentials never appear here."""

    id: AssetId
    name: Name
    type: Name
    environment: Name
    criticality: Annotated[str, Field(pattern=r"^(low|medium|high|critical)$")] = "medium"
    address: Annotated[str, Field(max_length=256)] | None = None
    owner: Annotated[str, Field(max_length=256)] | None = None
    site: Annotated[str, Field(max_length=256)] | None = None
    os: Annotated[str, Field(max_length=256)] | None = None
    parent: Name | None = None
    groups: Annotated[list[Name], Field(max_length=64)] = Field(default_factory=list)
    tags: Annotated[list[Name], Field(max_length=64)] = Field(default_factory=list)
    aliases: Annotated[list[Name], Field(max_length=32)] = Field(default_factory=list)
    attributes: Labels = Field(default_factory=dict)
    generation: Annotated[int, Field(ge=1, le=2**53 - 1)] = 1


class Mark(Part):
    """When one service took a request from the bus and when it sent its fact on, in nanoseconds since 1970."""

    service: Name
    received_ns: Nanoseconds
    sent_ns: Nanoseconds


Marks = Annotated[list[Mark], Field(max_length=16)]
