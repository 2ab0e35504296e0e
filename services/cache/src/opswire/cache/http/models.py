"""What goes over HTTP, in and out; the OpenAPI document is made of these."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from opswire.chassis.caching.basis import NAMES_PER_MESSAGE_MAX
from opswire.contracts.caches_invalidated.tags import off_tag
from opswire.contracts.caches_invalidated.v1 import Tag
from opswire.contracts.types import Name, ShortText, Text
from pydantic import BaseModel, ConfigDict, Field, model_validator

TAGS_MAX = 1_000
REQUESTS_MAX = 10_000


class Body(BaseModel):
    """What is sent to us: an unknown field is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Answer(BaseModel):
    """What we answer."""

    model_config = ConfigDict(frozen=True)


class Refusal(Answer):
    """Why not."""

    code: str
    detail: str


class InvalidateBody(Body):
    """Exactly one of them: an asset by name or id, tags as they are, an intent template, a tool, or everything."""

    asset: Name | None = None
    tags: Annotated[list[Tag], Field(min_length=1, max_length=TAGS_MAX)] | None = None
    template: Name | None = None
    tool: Name | None = None
    all: bool | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("asset", "tags", "template", "tool", "all") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("give exactly one of asset, tags, template, tool and all (true)")
        if any(tag.startswith(off_tag("")) for tag in self.tags or ()):
            raise ValueError(f"no entry carries a tag that begins with {off_tag('')}")
        return self


class ChangedBody(Body):
    """Documents that were added, changed or taken out; without names, any of them. `version` is for people.

    The policy and the tools are not among the kinds: whoever answers by them says so once it answers by the new ones.
    """

    kind: Literal["knowledge"]
    names: Annotated[list[Name], Field(max_length=NAMES_PER_MESSAGE_MAX)] = Field(default_factory=list)
    version: Annotated[str, Field(max_length=128)] = ""


class HolderName(Answer):
    """One process that caches."""

    holder_id: str
    service: str


class InvalidateAnswer(Answer):
    """From now on no process serves what this replaced.

    `by` says how that is known: every one of `holders` said so (`holders`), or the longest read lease is over
    (`lease`). Those in `late` did not answer; their leases, `fenced_after_ms` long, are over, so they serve nothing.
    """

    acknowledged: bool = True
    nonce: str
    tags: list[str]
    by: str
    took_ms: float
    sequence: int | None = None
    holders: list[HolderName] = Field(default_factory=list)
    late: list[HolderName] = Field(default_factory=list)
    fenced_after_ms: float = 0.0
    note: str = ""


class Counts(Answer):
    """Reads, by what became of them, and what came and went."""

    hit_rate: float | None
    memory_hits: int = 0
    shared_hits: int = 0
    coalesced: int = 0
    misses: int = 0
    bypasses: int = 0
    stale_memory: int = 0
    stale_shared: int = 0
    poisoned: int = 0
    fills: int = 0
    negative_fills: int = 0
    refreshes: int = 0
    evictions: int = 0
    dropped: int = 0


class NamedCounts(Counts):
    """The same, of one service or one key family."""

    name: str


class TopKey(Answer):
    """A key and how often it was served from memory."""

    service: str
    key: str
    hits: int


class CacheAnswer(Answer):
    """One cache over all processes. Counters are since the processes that live now started."""

    name: str
    is_on: bool
    off_reason: str = ""
    entries: int
    bytes: int
    oldest_age_s: float
    checked: int
    wrong: int
    wrong_hit_rate: float | None
    counts: Counts
    services: list[NamedCounts]
    families: list[NamedCounts]
    top_keys: list[TopKey]


class HolderAnswer(Answer):
    """One process that caches. `state` is serving, fenced (outside its lease) or silent."""

    holder_id: str
    service: str
    state: str
    applied: int
    heard_s_ago: float
    started_ns: int
    is_shared_away: bool


class CanaryAnswer(Answer):
    """The asset that is changed to see how long its old value is served; times of the last day."""

    is_on: bool
    last_s: float | None = None
    rounds: int = 0
    median_s: float | None = None
    p99_s: float | None = None
    stale_reads: int = 0
    """Reads begun after the acknowledgement that answered the old value: must stay zero."""
    failed: int = 0
    last_error: str = ""


class WarmAnswer(Answer):
    """The latest warming run."""

    state: str
    """`idle`, `running`, `done` or `stopped`."""
    run_id: str = ""
    total: int = 0
    done: int = 0
    completed: int = 0
    """Of those done: how many requests ended `completed`."""
    failed: int = 0
    started_ns: int = 0
    last_error: str = ""


class StatsAnswer(Answer):
    """All caches of all processes, as those say of themselves."""

    at_ns: int
    caches: list[CacheAnswer]
    holders: list[HolderAnswer]
    canary: CanaryAnswer
    warm: WarmAnswer


class KeyAnswer(Answer):
    """One key in the memory of one process."""

    holder_id: str
    service: str
    cache: str
    key: str
    tags: list[str]
    age_s: float
    hits: int
    bytes: int


class KeysAnswer(Answer):
    """Keys in memory. `silent` processes did not answer within a second; `is_cut` when there are more."""

    keys: list[KeyAnswer]
    silent: list[str]
    is_cut: bool


class HistoryPoint(Answer):
    """One cache in one span of time: what was read and filled then, what it held at the end, and the canary's time."""

    at_s: int
    cache: str
    hits: int
    reads: int
    fills: int
    evictions: int
    dropped: int
    stale: int
    hit_rate: float | None
    bytes: int
    entries: int


class CanaryPoint(Answer):
    """The slowest canary round in one span of time."""

    at_s: int
    worst_s: float
    stale_reads: int


class HistoryAnswer(Answer):
    """Oldest first."""

    bucket_s: int
    points: list[HistoryPoint]
    canary: list[CanaryPoint]


class WarmBody(Body):
    """Requests to send, or how many of the most frequent recent ones; without either, those of the list in the setting.

    A run that was stopped goes on where it was with `resume`.
    """

    requests: Annotated[list[Text], Field(min_length=1, max_length=REQUESTS_MAX)] | None = None
    recent: Annotated[int, Field(ge=1, le=REQUESTS_MAX)] | None = None
    resume: bool = False
    note: ShortText = ""
