"""A whole system beside the lab, whose hosts it may change; people with keys, and eyes that need no Opswire."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.testing.system import System
from opswire.chassis.testing.upstream import Upstream
from opswire.cli.approvals import Asked, Decision, decide, read_asked
from opswire.cli.bus import connected
from opswire.cli.testing import CommandLine
from opswire.lab import Lab, start
from opswire.lab.supervision import program_states

REQUESTER = {"id": "dana", "kind": "human"}
OPERATORS = ("sam", "kim")
STRANGER = "mallory"
"""Has a key that no file names."""
OUTCOME_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a request in words. `asked` is what people saw, None where nobody was asked."""

    request_id: str
    asked: Asked | None
    outcome: dict[str, Any]

    @property
    def status(self) -> tuple[str, str | None]:
        """How it ended, and the code."""
        return self.outcome["status"], self.outcome.get("reason")

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The answer's rows by column."""
        answer = self.outcome["answer"]
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


@dataclass(frozen=True, slots=True)
class ChangeLab:
    """The running system, the lab, and the seed of everybody's key."""

    system: System
    lab: Lab
    seeds: dict[str, str]
    commands: CommandLine

    async def asked(self, upstream: Upstream, text: str) -> Asked:
        """Dana asks for it; what people see then."""
        request_id = await upstream.submit(text, requester=REQUESTER)
        await upstream.read(f"opswire.v1.{upstream.source}.{request_id}.approval.1.requested", 1, OUTCOME_TIMEOUT_S)
        async with connected(self.system.nats.url) as bus:
            return await read_asked(bus, upstream.source, request_id)

    async def say(self, asked: Asked, *people: str, decision: Decision = "approve") -> None:
        """Their signed words, one after the other."""
        async with connected(self.system.nats.url) as bus:
            for name in people:
                await decide(bus, asked, self.seeds[name], decision, "")

    async def done(self, upstream: Upstream, text: str, people: Sequence[str] = OPERATORS) -> Done:
        """Asked by Dana, approved by as many as are needed, and ended."""
        asked = await self.asked(upstream, text)
        await self.say(asked, *people[: asked.request.people_needed])
        return await self.end(upstream, asked)

    async def end(self, upstream: Upstream, asked: Asked) -> Done:
        """The outcome, awaited."""
        request_id = asked.request.request_id
        return Done(request_id, asked, await upstream.outcome(request_id, OUTCOME_TIMEOUT_S))

    def seed_file(self, name: str) -> Path:
        """Where the key of somebody lies."""
        return self.system.directory / f"{name}.seed"

    def path(self, host: str, path: str) -> Path:
        """Where a file of a host lies on this machine."""
        return self.lab.paths(host).root / path.lstrip("/")

    def pids(self, host: str) -> dict[str, int]:
        """What its supervisor says that runs there, by program."""
        found = program_states(self.lab.paths(host).supervisor_socket)
        assert found is not None, f"the supervisor of {host} does not answer"
        return {each.name: each.pid for each in found if each.pid is not None}

    def mode(self) -> str:
        """What the executor may do, as it says itself."""
        return str(self.system.health("executor")["details"]["mode"]["mode"])

    def page(self, host: str, service: str) -> dict[str, Any]:
        """The first page of a service, over HTTP."""
        url = f"http://127.0.0.1:{self.lab.ports()[host][service]}/"
        with urllib.request.urlopen(url, None, 10) as reply:
            shown: dict[str, Any] = json.load(reply)
        return shown


@contextmanager
def running(directory: Path) -> Iterator[ChangeLab]:
    """The system and the lab, started, with the lab's inventory imported; both ended at the end."""
    seeds = {name: new_seed() for name in (*OPERATORS, REQUESTER["id"], STRANGER)}
    known = [name for name in seeds if name != STRANGER]
    entries = [{"name": name, "roles": ["operator"], "keys": [{"public": public_of(seeds[name])}]} for name in known]
    people = directory / "people.yaml"
    people.write_text(yaml.safe_dump({"people": entries}))
    lab = start(directory)
    settings = {"OPSWIRE_PEOPLE_FILE": str(people), "OPSWIRE_ALLOW_LOOPBACK": "true"}
    try:
        with System(directory, settings) as system:
            system.import_inventory(lab.inventory_path.read_text())
            commands = CommandLine(directory, settings | {"OPSWIRE_NATS_URL": system.nats.url})
            scene = ChangeLab(system, lab, seeds, commands)
            for name, seed in seeds.items():
                scene.seed_file(name).touch(0o600)
                scene.seed_file(name).write_text(seed)
            yield scene
    finally:
        lab.down()


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
