"""Old messages become new ones at the door: a chain of small steps, each from one version to the next.

Use cases know only the newest shape. A stored message stays readable as long as its chain has no gap. A message that
is newer than this release is not understood by halves: it is refused, and the chassis parks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import ClassVar

from opswire.contracts.message import JsonObject
from opswire.contracts.routes import ROUTES

Step = Callable[[JsonObject], JsonObject]
Steps = Mapping[tuple[str, int], Step]

STEPS: dict[tuple[str, int], Step] = {
    # What version 2 added has defaults that mean what version 1 meant.
    ("plan_made", 1): lambda body: body,
}
"""(stem, version) -> the function that makes version + 1 of it. A step may change the body it is given."""


class UnknownVersionError(ValueError):
    """No message of this stem and version is known here, or the chain to the newest has a gap."""

    code: ClassVar[str] = "unknown_version"


class Upcasts:
    """The steps of all messages, and how far each chain must reach."""

    __slots__ = ("_newest", "_steps")

    def __init__(self, newest: Mapping[str, int], steps: Steps) -> None:
        self._newest = dict(newest)
        self._steps = dict(steps)

    def is_newest(self, stem: str, version: int) -> bool:
        """Whether the body can be read as it is, decided without looking at it. Raises UnknownVersionError."""
        newest = self._newest.get(stem)
        if newest is None:
            raise UnknownVersionError(f"no message is called {stem!r} here")
        if not 1 <= version <= newest:
            raise UnknownVersionError(f"{stem} v{version} is unknown here; the newest is v{newest}")
        return version == newest

    def upcast(self, stem: str, version: int, body: JsonObject) -> JsonObject:
        """The body in the newest shape; the same object where it is the newest already.

        Raises UnknownVersionError for an unknown stem or version, and where a step is missing.
        """
        while not self.is_newest(stem, version):
            step = self._steps.get((stem, version))
            if step is None:
                raise UnknownVersionError(f"no step from {stem} v{version} to v{version + 1}")
            body = step(body)
            version += 1
        return body

    def gaps(self) -> list[str]:
        """One sentence for every step that is missing or leads nowhere. Empty when all is well."""
        needed = {(stem, version) for stem, newest in self._newest.items() for version in range(1, newest)}
        missing = sorted(needed - self._steps.keys())
        useless = sorted(self._steps.keys() - needed)
        return [
            *(f"no step from {stem} v{version} to v{version + 1}; add it to STEPS" for stem, version in missing),
            *(f"the step from {stem} v{version} leads past the newest version" for stem, version in useless),
        ]


@cache
def upcasts() -> Upcasts:
    """The steps of this release, reaching to the versions that the route table names."""
    return Upcasts({route.stem: route.message.VERSION for route in ROUTES}, STEPS)


def is_newest(stem: str, version: int) -> bool:
    """Whether a body of this version can be read without an upcast. Raises UnknownVersionError."""
    return upcasts().is_newest(stem, version)


def upcast(stem: str, version: int, body: JsonObject) -> JsonObject:
    """The body in the newest shape. Raises UnknownVersionError."""
    return upcasts().upcast(stem, version, body)
