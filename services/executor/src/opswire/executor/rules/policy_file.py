"""The policy file as it is written: conditions, rules, windows and its own tests. Pure.

Three kinds of rules, and none of them can undo another: `risks` raise the risk of a step, `demands` ask for approval or
refuse, `grants` let pass what needs nobody. Lower bounds stand in risks and demands, upper bounds in grants: so a
greater risk, more targets or a more critical asset can never make a verdict milder, whatever the file says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opswire.contracts.taxonomy import Effect, IntentName
from opswire.contracts.types import RequesterKind, Risk
from opswire.executor.rules.people import RoleName
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

CRITICALITIES = ("low", "medium", "high", "critical")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
APPROVAL_WINDOW_S_MAX = 604_800
ENVIRONMENTS = ("production", "staging", "development", "test")

Named = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Because = Annotated[str, StringConstraints(min_length=5, max_length=300)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Environment = Literal["production", "staging", "development", "test"]
Criticality = Literal["low", "medium", "high", "critical"]
Selection = Literal["empty", "grew", "pattern"]
"""What is odd about a change's targets: there is none, more match than the plan names, or a pattern chose several."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from error
    return name


def _clock(value: object) -> object:
    if isinstance(value, str) and len(value) == 5:
        return time.fromisoformat(value)
    raise ValueError('write a time of day in quotes, such as "08:00"')


def _local(value: object) -> object:
    """A time on the wall of the window's own zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ValueError("write it without a zone: it is read in the window's time_zone")
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


Zone = Annotated[str, AfterValidator(_zone)]
Clock = Annotated[time, BeforeValidator(_clock)]
Local = Annotated[datetime, BeforeValidator(_local)]


def _enums(kind: type[Effect] | type[Risk] | type[RequesterKind] | type[IntentName]) -> BeforeValidator:
    """Files hold words, models hold members."""
    return BeforeValidator(lambda value: kind(value) if isinstance(value, str) else value)


EffectWord = Annotated[Effect, _enums(Effect)]
RiskWord = Annotated[Risk, _enums(Risk)]
KindWord = Annotated[RequesterKind, _enums(RequesterKind)]
IntentWord = Annotated[IntentName, _enums(IntentName)]


class FilePart(BaseModel):
    """A piece of the file: a field that is not known here is a fault, since it would be a rule that nobody keeps."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Span(FilePart):
    """From a moment until before another, on the wall of the window's zone."""

    start: Annotated[Local, Field(alias="from")]
    until: Local

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until <= self.start:
            raise ValueError("until is not after from")
        return self


class Window(FilePart):
    """Times by the week (`days`, `from`, `until`; past midnight where `until` is not later) or `dates`, in a zone."""

    time_zone: Zone
    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(max_length=7)] = []
    start: Annotated[Clock, Field(alias="from")] = time(0)
    until: Clock = time(0)
    dates: Annotated[list[Span], Field(max_length=200)] = []

    @model_validator(mode="after")
    def _is_some_time(self) -> Self:
        if not self.days and not self.dates:
            raise ValueError("a window needs days or dates")
        return self

    def holds(self, at_ns: int) -> bool:
        """Whether the moment, nanoseconds since 1970, lies in the window."""
        local = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone(ZoneInfo(self.time_zone))
        wall = local.replace(tzinfo=None)
        if any(span.start <= wall < span.until for span in self.dates):
            return True
        today, clock = DAYS[wall.weekday()], wall.time()
        if self.start < self.until:
            return today in self.days and self.start <= clock < self.until
        yesterday = DAYS[(wall - timedelta(days=1)).weekday()]
        return (today in self.days and clock >= self.start) or (yesterday in self.days and clock < self.until)


class Condition(FilePart):
    """What any rule may ask for; every field that is given must hold. `requesters` are read as names of people are."""

    effects: list[EffectWord] | None = None
    environments: list[Environment] | None = None
    tools: list[Word] | None = None
    intents: list[IntentWord] | None = None
    asset_types: list[Word] | None = None
    requester_kinds: list[KindWord] | None = None
    requesters: list[Word] | None = None
    sources: list[Word] | None = None
    inside: list[Named] | None = None
    outside: list[Named] | None = None

    @field_validator("*")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if isinstance(value, list) and not value:
            raise ValueError("an empty list would never hold; leave it out")
        return value

    @property
    def windows(self) -> Sequence[str]:
        """The names of the windows that are asked for."""
        return [*(self.inside or ()), *(self.outside or ())]


class AtLeast(Condition):
    """The condition of a risk or a demand. `selection` holds where any of these is odd about the targets."""

    risk_at_least: RiskWord | None = None
    criticality_at_least: Criticality | None = None
    targets_at_least: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    selection: list[Selection] | None = None


class AtMost(Condition):
    """The condition of a grant."""

    risk_at_most: RiskWord | None = None
    criticality_at_most: Criticality | None = None
    targets_at_most: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class RiskRule(FilePart):
    """Raises the risk of the steps for which the condition holds."""

    name: Named
    when: AtLeast = AtLeast()
    risk: RiskWord
    because: Because


class Otherwise(FilePart):
    """What holds for every step that no grant lets pass: refuse, or the approval of one or two people of a role."""

    verdict: Literal["approve", "refuse"]
    people: Annotated[int, Field(ge=1, le=2)] | None = None
    role: RoleName | None = None
    because: Because

    @model_validator(mode="after")
    def _says_who_approves(self) -> Self:
        given = (self.people is not None, self.role is not None)
        if given != ((True, True) if self.verdict == "approve" else (False, False)):
            raise ValueError("approve needs people (1 or 2) and a role; refuse takes neither")
        return self


class Demand(Otherwise):
    """Refuses, or asks for approval, where its condition holds."""

    name: Named
    when: AtLeast = AtLeast()


class Grant(FilePart):
    """Lets pass without anybody what no demand asks about."""

    name: Named
    when: AtMost
    because: Because


class Ask(FilePart):
    """A made-up question, in the words of the file: one step on so many assets of one kind."""

    requester: Annotated[Word, Field(alias="as")] = "somebody"
    kind: KindWord = RequesterKind.HUMAN
    source: Word = "cli"
    intent: IntentWord = IntentName.COMMAND_RUN
    tool: Word = "ssh.command"
    effect: EffectWord = Effect.WRITE
    risk: RiskWord = Risk.LOW
    environment: Word = "production"
    criticality: Criticality = "medium"
    asset_type: Word = "host"
    targets: Annotated[int, Field(ge=0, le=200)] = 1
    matching: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    selection: Literal["none", "named", "filtered"] = "named"
    at: Annotated[datetime, BeforeValidator(_local)] | None = None
    time_zone: Zone = "UTC"


class Expect(FilePart):
    """What the verdict must be; `rules` are names that must be among its reasons."""

    verdict: Literal["allow", "approve", "refuse"]
    people: Annotated[int, Field(ge=0, le=2)] | None = None
    role: RoleName | None = None
    rules: list[Named] = []


class PolicyTest(FilePart):
    """One example of the policy: a question and what must come of it."""

    name: Word
    ask: Ask
    expect: Expect


class PolicyFile(FilePart):
    """The whole file. `roles` rise: where two rules ask for different ones, the later in the list is asked."""

    roles: Annotated[list[RoleName], Field(min_length=1, max_length=16)]
    approval_window_s: Annotated[int, Field(ge=1, le=APPROVAL_WINDOW_S_MAX)]
    environments: dict[Word, Environment] = {}
    windows: Annotated[dict[Named, Window], Field(max_length=100)] = {}
    risks: Annotated[list[RiskRule], Field(max_length=200)] = []
    demands: Annotated[list[Demand], Field(max_length=200)] = []
    grants: Annotated[list[Grant], Field(max_length=200)] = []
    otherwise: Otherwise
    tests: Annotated[list[PolicyTest], Field(max_length=500)] = []

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Self:
        rules: list[RiskRule | Demand | Grant] = [*self.risks, *self.demands, *self.grants]
        names = [rule.name for rule in rules]
        for name in names:
            if names.count(name) > 1 or name in RESERVED:
                raise ValueError(f"the name {name!r} is taken")
        for rule in rules:
            for window in rule.when.windows:
                if window not in self.windows:
                    raise ValueError(f"{rule.name}: there is no window {window!r}")
        for role in [demand.role for demand in self.demands] + [self.otherwise.role]:
            if role is not None and role not in self.roles:
                raise ValueError(f"the role {role!r} is not among roles: {', '.join(self.roles)}")
        known = {*names, *RESERVED}
        for test in self.tests:
            for name in test.expect.rules:
                if name not in known:
                    raise ValueError(f"the test {test.name!r} expects {name!r}, and no rule has that name")
        return self


RESERVED = frozenset({"otherwise", "hidden_characters", "policy_broken", "nothing_to_do", "unnamed_targets"})
"""Names of what holds whatever the file says."""
