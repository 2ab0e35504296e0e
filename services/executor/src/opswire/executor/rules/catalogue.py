"""The tool catalogue: what each tool is, takes and does. Pure; files are read by `catalogue_reading` and adapters.

Effects and risks are declared here and nowhere else: they are never worked out from arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import orjson
from opswire.chassis.errors import OpswireError
from opswire.contracts.plan_made import Step
from opswire.contracts.plan_made.v2 import ToolName
from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import Risk
from opswire.executor.errors import BadArgumentError
from opswire.executor.rules.driver_settings import Driver, McpServer, McpTool, least_effect
from opswire.executor.rules.parameters import Parameter, Value, check_arguments
from opswire.executor.rules.templates import MissingValueError, rendered
from pydantic import BaseModel, ConfigDict, Field, model_validator

ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Sentence = Annotated[str, Field(min_length=5, max_length=300)]
READS = frozenset({Effect.NONE, Effect.READ})
_RANKS = list(Effect)
_WHAT_IT_DOES = {"driver", "effect", "risk", "verification"}
OUTPUT_BYTES_DEFAULT = 256 * 1024
OUTPUT_BYTES_MAX = 16 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Caching(_Part):
    """How long a result is true enough, in seconds; 0: it is never kept. `reason` says why."""

    ttl_s: Annotated[float, Field(ge=0, le=60)]
    reason: Sentence


class CallTemplate(_Part):
    """Another tool with its arguments, in which `{name}` stands for an argument, `{request_id}` or `{step}`."""

    tool: ToolName
    arguments: dict[ParameterName, str | int | bool] = Field(default_factory=dict)


class Entry(_Part):
    """One tool. `asset_types` and `intents` say what it serves; empty asset types mean that it needs no asset."""

    name: ToolName
    does: Sentence
    driver: Driver
    effect: Effect
    risk: Risk
    parameters: Annotated[dict[ParameterName, Parameter], Field(max_length=32)] = Field(default_factory=dict)
    caching: Caching
    tags: list[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]] = Field(default_factory=list)
    timeout_ms: Annotated[int, Field(ge=100, le=3_600_000)]
    output_bytes_max: Annotated[int, Field(ge=1_024, le=OUTPUT_BYTES_MAX)] = OUTPUT_BYTES_DEFAULT
    verification: CallTemplate | None = None
    unverified: Sentence | None = None
    """Why nothing can tell whether a write did what it should."""
    reverse: CallTemplate | None = None
    irreversible: Sentence | None = None
    """Why nothing undoes a write."""
    intents: Annotated[list[IntentName], Field(min_length=1)]
    asset_types: list[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]] = Field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether it writes or destroys."""
        return self.effect not in READS

    @model_validator(mode="after")
    def _whole(self) -> Entry:
        floor = least_effect(self.driver)
        if _RANKS.index(self.effect) < _RANKS.index(floor):
            raise ValueError(f"effect: the driver {self.driver.name} has at least the effect {floor.value}")
        if not self.changes:
            if self.reverse or self.irreversible or self.verification or self.unverified:
                raise ValueError("effect: what only reads needs no reverse step and no verification")
            return self
        if self.caching.ttl_s:
            raise ValueError("caching: what changes something is never answered from a cache; ttl_s must be 0")
        if (self.verification is None) == (self.unverified is None):
            raise ValueError("verification: a tool that changes something has one, or says in `unverified` why not")
        if (self.reverse is None) == (self.irreversible is None):
            raise ValueError("reverse: a tool that changes something has one, or says in `irreversible` why not")
        return self


class CatalogueFile(_Part):
    """One YAML file of tools. `catalogue` is the version of this form."""

    catalogue: Annotated[int, Field(ge=1, le=1)]
    owner: Annotated[str, Field(min_length=1, max_length=100)]
    mcp_servers: Annotated[dict[str, McpServer], Field(max_length=50)] = Field(default_factory=dict)
    tools: Annotated[list[Entry], Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class CallDraft:
    """A tool and its arguments, ready for a plan."""

    tool: str
    arguments: Mapping[str, Value]
    timeout_ms: int


class Catalogue:
    """All tools by name. Made of entries that were checked against each other."""

    def __init__(
        self,
        entries: Iterable[Entry],
        origins: Mapping[str, str] | None = None,
        mcp_servers: Mapping[str, McpServer] | None = None,
    ) -> None:
        """`origins` says for each tool in which file it stands."""
        self._entries = {entry.name: entry for entry in entries}
        self.origins = dict(origins or {})
        self.mcp_servers = dict(mcp_servers or {})

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Entry | None:
        """The tool of that name, or None."""
        return self._entries.get(name)

    def entry(self, name: str) -> Entry:
        """The tool of that name. Raises BadArgumentError where there is none."""
        found = self._entries.get(name)
        if found is None:
            raise BadArgumentError(
                f"the catalogue holds no tool {name[:64]!r}; `opswire tools list` shows what it holds"
            )
        return found

    def check(self, name: str, arguments: Mapping[str, Value]) -> None:
        """Raise BadArgumentError or PathRefusedError unless the tool exists and takes exactly these arguments."""
        check_arguments(name, self.entry(name).parameters, arguments)

    def serving(self, intent: IntentName, asset_type: str | None = None) -> list[Entry]:
        """The tools that serve an intent, on assets of a type where one is given; those that only read come first."""
        found = [entry for entry in self if intent in entry.intents]
        fitting = [
            each for each in found if asset_type is None or not each.asset_types or asset_type in each.asset_types
        ]
        return sorted(fitting, key=lambda entry: (_RANKS.index(entry.effect), entry.name))

    def verification_of(
        self, name: str, arguments: Mapping[str, Value], request_id: str, step: int
    ) -> CallDraft | None:
        """The call that finds out whether the step did what it should, or None where nothing can."""
        return self._call(self.entry(name).verification, arguments, request_id, step)

    def reverse_of(self, name: str, arguments: Mapping[str, Value], request_id: str, step: int) -> CallDraft | None:
        """The call that undoes the step, or None where nothing does, or an argument that it needs is not known."""
        return self._call(self.entry(name).reverse, arguments, request_id, step)

    def _call(
        self, template: CallTemplate | None, arguments: Mapping[str, Value], request_id: str, step: int
    ) -> CallDraft | None:
        if template is None:
            return None
        target = self.entry(template.tool)
        values: dict[str, Value] = {**arguments, "request_id": request_id, "step": step}
        found: dict[str, Value] = {}
        for name, value in template.arguments.items():
            try:
                found[name] = rendered(value, values) if isinstance(value, str) else value
            except MissingValueError:
                if target.parameters[name].required:
                    return None
        self.check(template.tool, found)
        return CallDraft(template.tool, found, target.timeout_ms)

    @cached_property
    def version(self) -> str:
        """SHA-256 of everything the catalogue says, in lower-case hexadecimal: another one is another catalogue."""
        body: list[Any] = [entry.model_dump(mode="json") for _, entry in sorted(self._entries.items())]
        body += [{name: server.model_dump(mode="json")} for name, server in sorted(self.mcp_servers.items())]
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def digest_of(self, names: Iterable[str]) -> str:
        """SHA-256 of what these tools do, in lower-case hexadecimal: with another one a name runs something else."""
        body: list[Any] = []
        for name in sorted(set(names)):
            entry = self.find(name)
            server = self.mcp_servers.get(entry.driver.server) if entry and isinstance(entry.driver, McpTool) else None
            # Without defaults: a release that knows one more field says the same of a tool that does not use it.
            said = entry.model_dump(mode="json", exclude_defaults=True, include=_WHAT_IT_DOES) if entry else None
            body.append([name, said, server.model_dump(mode="json", exclude_defaults=True) if server else None])
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def is_as_planned(self, step: Step) -> bool:
        """Whether a step's tool has the effect and the risk by which the step was judged, and takes its arguments."""
        entry = self.find(step.tool)
        if entry is None or (entry.effect, entry.risk) != (step.effect, step.risk):
            return False
        try:
            self.check(step.tool, step.arguments)
        except OpswireError:
            return False
        return True

    @cached_property
    def ttl_s_max(self) -> float:
        """The longest time for which any result is kept, in seconds."""
        return max((entry.caching.ttl_s for entry in self), default=0.0)
