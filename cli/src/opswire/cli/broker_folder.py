"""The folder of keys and accounts with which a broker knows who connects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opswire.chassis.broker_keys import ACCOUNTS_FILE, write_keys
from opswire.cli.errors import CommandError, UsageError


def make_folder(directory: Path, upstreams: list[str], people: list[str]) -> dict[str, Any]:
    """Make what is missing; every role, its public key and where its seed lies (None: whoever it is has it).

    `people` are `NAME=PUBLIC_KEY`. Raises UsageError, CommandError where the folder cannot be used.
    """
    named: dict[str, str] = {}
    for text in people:
        name, equals, public = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is no NAME=KEY", "opswire keys new NAME makes a key and says its public part")
        named[name] = public
    try:
        members = write_keys(directory, upstreams, named)
    except ValueError as error:
        raise UsageError(str(error), "opswire keys broker --help") from error
    except OSError as error:
        raise CommandError(f"{directory} cannot be used: {error.strerror}", "a folder of yours") from error
    roles = [
        {"name": member.name, "public": member.public, "seed_file": str(path) if path.exists() else None}
        for member in members
        for path in (directory / f"{member.name}.seed",)
    ]
    return {"accounts_file": str(directory / ACCOUNTS_FILE), "roles": roles}
