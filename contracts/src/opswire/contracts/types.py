"""The bounded building blocks that every message is made of.

Every string and list has an upper bound: a bound that nobody states is the one an attacker or a bug finds first.
Bounds are in characters for strings and in items for lists.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

REQUEST_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
SOURCE_PATTERN = r"^[a-z0-9-]{1,32}$"
TEXT_CHARACTERS_MAX = 8_000
ASSETS_MAX = 200
ROWS_MAX = 500
COLUMNS_MAX = 32
ENTITIES_MAX = 64
STEPS_MAX = 32
PLAN_STEPS_MAX = 200
CANDIDATES_MAX = 20
DEADLINE_MS_MIN = 100
DEADLINE_MS_MAX = 86_400_000
DEADLINE_MS_DEFAULT = 30_000

RequestId = Annotated[str, StringConstraints(pattern=REQUEST_ID_PATTERN)]
Source = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ShortText = Annotated[str, StringConstraints(max_length=1_000)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
AssetId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Nanoseconds = Annotated[int, Field(ge=0, le=2**63 - 1)]
Milliseconds = Annotated[int, Field(ge=0, le=2**53 - 1)]
Confidence = Annotated[float, Field(ge=0.0, le=1.0)]
Labels = Annotated[dict[Name, ShortText], Field(max_length=64)]
Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Cell = Annotated[str, StringConstraints(max_length=2_000)] | Integer | float | bool | None


class Risk(StrEnum):
    """How much harm an action can do, in rising order. A policy may raise it; nothing lowers it."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """0 for LOW to 3 for CRITICAL, for comparing."""
        return list(Risk).index(self)

    def at_least(self, floor: Risk) -> Risk:
        """The higher of the two."""
        return self if self.rank >= floor.rank else floor


class FinishStatus(StrEnum):
    """The seven ways a request can end."""

    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NEEDS_HUMAN = "needs_human"
    NEEDS_CLARIFICATION = "needs_clarification"


class RequesterKind(StrEnum):
    """Whether a person or a program asks."""

    HUMAN = "human"
    SERVICE = "service"


class IntentSource(StrEnum):
    """Which tier of the intent service gave the answer."""

    CACHE = "cache"
    LOCAL = "local"
    MODEL = "model"
    RULE = "rule"


class EntityType(StrEnum):
    """What a piece of the request's text denotes."""

    HOST = "host"
    SERVICE = "service"
    ENVIRONMENT = "environment"
    ASSET_TYPE = "asset_type"
    IP = "ip"
    PORT = "port"
    PATH = "path"
    COMMAND = "command"
    APPLICATION = "application"
    DATABASE = "database"
    NAMESPACE = "namespace"
    METRIC = "metric"
    TIME_RANGE = "time_range"
    COUNT = "count"
    SEVERITY = "severity"
    SITE = "site"
    OS = "os"
    TAG = "tag"
    USER = "user"
    PACKAGE = "package"
    VERSION = "version"
    DOCUMENT = "document"
