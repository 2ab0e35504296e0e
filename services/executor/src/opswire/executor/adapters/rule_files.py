"""The policy and the people as their files are now. Each is read anew at every use, so a change counts at once.

Reading and hashing the file costs about 20 microseconds; it is parsed again only where its bytes have changed. Nothing
is watched, so nothing can be missed: no event of the file system, no clock of a network drive.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Generic, TypeVar

from opswire.executor.rules.people import People
from opswire.executor.rules.policy import Policy

RuleT = TypeVar("RuleT")


class _Read(Generic[RuleT]):
    """One file and what was made of its last bytes."""

    def __init__(
        self,
        path: Path | None,
        packaged: str,
        read: Callable[[bytes], RuleT],
        broken: Callable[[str], RuleT],
    ) -> None:
        self._path = path
        self._packaged = packaged
        self._read = read
        self._broken = broken
        self._content: bytes | None = None
        self._rule: RuleT | None = None

    def now(self) -> RuleT:
        """The rules of the file's present bytes."""
        try:
            content = self._bytes()
        except OSError as error:
            self._content = self._rule = None
            return self._broken(f"{self._path} cannot be read: {error.strerror}")
        if self._rule is None or content != self._content:
            self._content, self._rule = content, self._read(content)
        return self._rule

    def _bytes(self) -> bytes:
        if self._path is not None:
            return self._path.read_bytes()
        # The package's own file does not change while we run.
        return self._content or (files("opswire.executor") / self._packaged).read_bytes()


class RuleFiles:
    """`None` for a path means the file that comes with the package."""

    def __init__(self, policy_file: Path | None, people_file: Path | None) -> None:
        self._policy = _Read(policy_file, "policy.yaml", Policy.read, Policy.broken)
        self._people = _Read(people_file, "people.yaml", People.read, People.broken)

    def policy(self) -> Policy:
        """The policy of this moment; one that refuses changes where the file is missing or broken."""
        return self._policy.now()

    def people(self) -> People:
        """The people of this moment; nobody where the file is missing or broken."""
        return self._people.now()
