"""A real broker that asks for keys, one of each role, and somebody who hears all that it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from opswire.chassis.broker_keys import ACCOUNT, Member, accounts_text, connect_options, write_keys
from opswire.chassis.embedded.nats_server import NatsServer
from opswire.chassis.nkey import new_seed, public_of
from opswire.chassis.permissions import Permissions
from opswire.chassis.provision import provision

UPSTREAMS = ("chat", "evil")
PEOPLE = ("dana", "eve")
SERVICES = ("assets", "cache", "executor", "intent")
KEEPERS = ("administrator", "operator")
ROLES = (*SERVICES, *KEEPERS, *(f"upstream-{each}" for each in UPSTREAMS), *(f"person-{each}" for each in PEOPLE))


class GuardedBroker:
    """The broker and everybody's key, in a folder. `witness` is one more key, which may do all."""

    def __init__(self, directory: Path) -> None:
        """Nothing is started yet."""
        self._directory = directory
        self.keys: dict[str, str] = {}
        for name in (*PEOPLE, "witness"):
            seed = new_seed()
            path = self.seed_file(f"person-{name}" if name in PEOPLE else name)
            path.touch(0o600)
            path.write_text(seed)
            self.keys[name] = public_of(seed)
        members = write_keys(directory, UPSTREAMS, {name: self.keys[name] for name in PEOPLE})
        everything = Member("witness", ACCOUNT, self.keys["witness"], Permissions((">",), (">",)))
        self.server = NatsServer(directory / "nats", sync_always=False, accounts=accounts_text([*members, everything]))

    def seed_file(self, role: str) -> Path:
        """Where its key lies."""
        return self._directory / f"{role}.seed"

    def options(self, role: str) -> dict[str, Any]:
        """How nats-py connects as this role."""
        return connect_options(self.seed_file(role))

    async def provision(self) -> None:
        """Make the streams, as the administrator."""
        await provision(self.server.url, connect_options=self.options("administrator"))

    @asynccontextmanager
    async def client(self, role: str) -> AsyncIterator[Client]:
        """A connection of this role."""

        async def quiet(_: Exception) -> None:
            """Refusals are what is asked for here."""

        connection = await nats.connect(self.server.url, error_cb=quiet, **self.options(role))
        try:
            yield connection
        finally:
            await connection.close()

    async def taken(self, subjects: Iterable[str], listened: str) -> dict[str, set[str]]:
        """What each role can publish of `subjects`, as heard by the witness on `listened`."""
        found: dict[str, set[str]] = {role: set() for role in ROLES}

        async def hear(message: Msg) -> None:
            role = message.data.decode()
            if role in found:
                found[role].add(message.subject)

        subjects = list(subjects)
        async with self.client("witness") as witness:
            subscription = await witness.subscribe(listened, cb=hear)
            await witness.flush()
            for role in ROLES:
                async with self.client(role) as client:
                    for subject in subjects:
                        await client.publish(subject, role.encode())
                    await client.flush()
            await witness.flush()
            await subscription.drain()  # all that was handed to us is heard
        return found

    async def stored(self) -> set[str]:
        """Every subject of the facts."""
        async with self.client("witness") as witness:
            info = await witness.jetstream().stream_info("OPSWIRE_FACTS", subjects_filter=">")
        return set(info.state.subjects or {})
