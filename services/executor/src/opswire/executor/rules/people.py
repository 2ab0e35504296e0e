"""Who may approve: people with their names everywhere, their roles and their keys. Pure.

A person is known by a name and any number of aliases. Whoever asks is compared with all of them, more loosely than any
login would: two spellings that could be one person are one person here, since that only ever forbids something.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Self

from opswire.chassis.nkey import NkeyError, public_bytes
from opswire.executor.rules.yaml_text import read_yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator


def _moment(value: object) -> object:
    """A date is its first moment in UTC; a time needs a zone, since nobody knows which was meant."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("write the time with its zone, such as 2026-05-01T09:00:00+02:00")
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else value


def _public(text: str) -> str:
    try:
        public_bytes(text)
    except NkeyError as error:
        raise ValueError(str(error)) from error
    return text


Moment = Annotated[datetime, BeforeValidator(_moment)]
Spelling = Annotated[str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True)]
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,63}$")]
# Letters of Cyrillic and Greek as the Latin ones that they are read as, and letters that nobody can see.
_LOOKS_LIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03b5\u03bf\u03c1\u03c5\u03c7\u03ba\u03b9\u03bd\u03c4\u0131",
    "aeopcyxijshdqwkmtbhaeopuxkivti",
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0",
)
NO_VERSION = "0" * 64
"""The version of a file that is not there."""


class _FilePart(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class KeyEntry(_FilePart):
    """One public key. It counts from `valid_from` until before `valid_until`, and not at all once `revoked` is set."""

    public: Annotated[str, AfterValidator(_public)]
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    revoked: Moment | None = None


class Person(_FilePart):
    """One human being. An alias of the form `source/id` names the person at one upstream, any other at all of them."""

    name: Spelling
    aliases: Annotated[list[Spelling], Field(max_length=64)] = Field(default_factory=list)
    roles: Annotated[list[RoleName], Field(max_length=16)] = Field(default_factory=list)
    keys: Annotated[list[KeyEntry], Field(max_length=16)] = Field(default_factory=list)


class _PeopleFile(_FilePart):
    people: Annotated[list[Person], Field(max_length=10_000)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _nobody_is_two_people(self) -> Self:
        owners: dict[str, str] = {}
        for person in self.people:
            for spelling in {_folded(text) for text in (person.name, *person.aliases)}:
                if owners.setdefault(spelling, person.name) != person.name:
                    raise ValueError(f"{spelling!r} names both {owners[spelling]} and {person.name}")
            for key in person.keys:
                if owners.setdefault(key.public, person.name) != person.name:
                    raise ValueError(f"{key.public} is a key of both {owners[key.public]} and {person.name}")
        names = [person.name for person in self.people]
        if len(set(names)) < len(names):
            raise ValueError("two people have the same name")
        return self


@dataclass(frozen=True, slots=True)
class Held:
    """A key and the person who holds it."""

    person: Person
    key: KeyEntry

    def why_not_at(self, at_ns: int) -> tuple[str, str] | None:
        """Code and sentence of why the key does not count at that moment; None when it does."""
        key, at = self.key, datetime.fromtimestamp(at_ns / 1e9, UTC)
        if key.revoked is not None:
            return "key_revoked", f"the key of {self.person.name} is revoked since {key.revoked.isoformat()}"
        if key.valid_from is not None and at < key.valid_from:
            return "key_not_valid", f"the key of {self.person.name} counts from {key.valid_from.isoformat()}"
        if key.valid_until is not None and at >= key.valid_until:
            return "key_not_valid", f"the key of {self.person.name} counted until {key.valid_until.isoformat()}"
        return None


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who may approve. `version` is the digest of the file; `fault` says why nobody counts."""

    people: tuple[Person, ...] = ()
    version: str = ""
    fault: str | None = None
    _keys: dict[str, Held] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, content: bytes) -> People:
        """The people of a file. A file that cannot be read has none, and `fault` says why: then nobody can approve."""
        version = hashlib.sha256(content).hexdigest()
        try:
            found = read_yaml(content, _PeopleFile).people
        except ValueError as error:
            return cls.broken(str(error), version)
        keys = {key.public: Held(person, key) for person in found for key in person.keys}
        return cls(tuple(found), version, None, keys)

    @classmethod
    def broken(cls, fault: str, version: str = NO_VERSION) -> People:
        """Nobody, and why."""
        return cls(version=version, fault=fault)

    def holder(self, public: str) -> Held | None:
        """Whose key this is, valid or not; None where nobody has it."""
        return self._keys.get(public)

    def of_role(self, role: str) -> tuple[Person, ...]:
        """The people of a role, in the order of the file."""
        return tuple(person for person in self.people if role in person.roles)

    def asking(self, source: str, requester: str) -> Person | None:
        """The person who asks under this name at this upstream; None where the file knows nobody of it."""
        return next((person for person in self.people if is_person(person, source, requester)), None)


def is_person(person: Person, source: str, requester: str) -> bool:
    """Whether the one who asks could be this person: by name or alias, at this upstream or at any.

    Case, width, white space, accents and an address after the name do not make another person.
    """
    asked = {_folded(requester), _local_part(requester), _folded(f"{source}/{requester}")}
    asked.add(f"{_folded(source)}/{_local_part(requester)}")
    known = {_folded(text) for text in (person.name, *person.aliases)}
    known |= {_local_part(text) for text in (person.name, *person.aliases) if "@" in text}
    return not asked.isdisjoint(known)


def is_same_name(name: str, source: str, requester: str) -> bool:
    """Whether somebody of this name could be the one who asks; as loose as `is_person`."""
    return is_person(Person(name=name), source, requester)


def _folded(text: str) -> str:
    """What is left of a name when everything is taken away by which one person's name may be written in two ways."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LOOKS_LIKE)
    kept = (character for character in plain if unicodedata.category(character) not in {"Mn", "Cf", "Cc", "Zs"})
    return re.sub(r"\s+", "", "".join(kept)).removeprefix("@")


def _local_part(text: str) -> str:
    """The name before the last `@` of an address, without the domain that stands before a backslash."""
    folded = _folded(text)
    return (folded.rpartition("@")[0] or folded).rpartition("\\")[2]
