"""The broker's side of the permissions: a key for each role in a folder, and the accounts that nats-server includes.

`accounts.conf` holds public keys only. A seed is written once, for its owner to read, and never replaced; a role that
is no longer wanted goes out of `roles.json`, and its key opens nothing after the next reload.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opswire.chassis.nkey import NkeyError, new_seed, public_bytes, public_of
from opswire.chassis.permissions import (
    ASKERS,
    SERVICES,
    Permissions,
    administrator,
    inbox_prefix,
    operator,
    person,
    service,
    upstream,
)
from opswire.contracts.types import SOURCE_PATTERN

ACCOUNT = "OPSWIRE"
ACCOUNTS_FILE = "accounts.conf"
ROLES_FILE = "roles.json"
ADMINISTRATOR = "administrator"
OPERATOR = "operator"
INSIDE = (*SERVICES, ADMINISTRATOR, OPERATOR)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Member:
    """One key and what it may do. `account` is its own, or the services'."""

    name: str
    account: str
    public: str
    permissions: Permissions


def members_of(inside: Mapping[str, str], upstreams: Mapping[str, str], people: Mapping[str, str]) -> list[Member]:
    """Every role by name and public key. Raises ValueError for what is no name or key, or a key that comes twice."""
    made = {ADMINISTRATOR: administrator, OPERATOR: operator}
    found = [
        Member(name, ACCOUNT, public, made[name](public) if name in made else service(name, public))
        for name, public in inside.items()
    ]
    for source, public in upstreams.items():
        if not re.fullmatch(SOURCE_PATTERN, source):
            raise ValueError(f"{source!r} is no source: a to z, 0 to 9 and -, 32 at most")
        if any(source in taken for taken in ASKERS.values()):
            raise ValueError(f"{source} is how a service of ours asks")
        found.append(Member(f"upstream-{source}", f"UPSTREAM-{source}", public, upstream(source)))
    for name, public in people.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: letters, digits, dots, dashes, 64 at most")
        found.append(Member(f"person-{name}", f"PERSON-{name}", public, person(public)))
    for member in found:
        public_bytes(member.public)
    publics = [member.public for member in found]
    if len(set(publics)) != len(publics):
        raise ValueError("two roles have the same key")
    return found


def accounts_text(members: Iterable[Member]) -> str:
    """The accounts in nats-server's configuration language."""
    members = list(members)
    inside = [member for member in members if member.account == ACCOUNT]
    outside = [member for member in members if member.account != ACCOUNT]
    lines = [
        "# Written by `opswire keys broker`; edits are lost. Only public keys are in here.",
        "accounts {",
        f"  {ACCOUNT} {{",
        "    jetstream: enabled",
        "    users: [",
        *(f"      {{nkey: {member.public}, permissions: {_permissions(member.permissions)}}}" for member in inside),
        "    ]",
        "    exports: [",
        *(f"      {line}" for line in _exports(outside)),
        "    ]",
        "  }",
    ]
    for member in outside:
        lines += [f'  "{member.account}" {{', f"    users: [{{nkey: {member.public}}}]", "    imports: ["]
        lines += [f"      {line}" for line in _imports(member.permissions)]
        lines += ["    ]", "  }"]
    return "\n".join([*lines, "}", ""])


def _permissions(permissions: Permissions) -> str:
    publish: dict[str, Any] = {"allow": permissions.publish}
    if permissions.publish_denied:
        publish["deny"] = permissions.publish_denied
    return json.dumps({"publish": publish, "subscribe": {"allow": permissions.subscribe}})


def _exports(outside: Iterable[Member]) -> list[str]:
    found: dict[str, None] = {}
    for member in outside:
        for subject in member.permissions.publish:
            how = ', "response_type": "stream"' if subject in member.permissions.streamed else ""
            found[f'{{"service": {json.dumps(subject)}{how}}}'] = None
        for subject in member.permissions.subscribe:
            found[f'{{"stream": {json.dumps(subject)}}}'] = None
    return list(found)


def _imports(permissions: Permissions) -> list[str]:
    services = [("service", subject) for subject in permissions.publish]
    streams = [("stream", subject) for subject in permissions.subscribe]
    return [json.dumps({kind: {"account": ACCOUNT, "subject": subject}}) for kind, subject in (*services, *streams)]


def write_keys(directory: Path, upstreams: Iterable[str] = (), people: Mapping[str, str] | None = None) -> list[Member]:
    """Make what is missing of the folder: a seed for each service, administrator, operator and upstream; the accounts.

    What an earlier call named stays. People bring their own public keys. Raises ValueError, OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    roles_path = directory / ROLES_FILE
    known = json.loads(roles_path.read_text()) if roles_path.exists() else {"upstreams": [], "people": {}}
    sources = list(dict.fromkeys([*known["upstreams"], *upstreams]))
    everybody = known["people"] | dict(people or {})
    # Judged before a file is written, with a key that is thrown away.
    members_of({}, {source: public_of(new_seed()) for source in sources}, everybody)
    inside = {name: _public(directory / f"{name}.seed") for name in INSIDE}
    keys = {source: _public(directory / f"upstream-{source}.seed") for source in sources}
    members = members_of(inside, keys, everybody)
    _write(directory / ACCOUNTS_FILE, accounts_text(members), 0o644)
    _write(roles_path, json.dumps({"upstreams": sources, "people": everybody}, indent=1), 0o600)
    return members


def seed_in(path: Path) -> str:
    """The seed in a file. Raises ValueError, which never quotes it, where there is none."""
    try:
        seed = path.read_text("ascii").strip()
        public_of(seed)
    except (OSError, UnicodeDecodeError, NkeyError):
        raise ValueError(f"{path} holds no seed of a user's key that can be read") from None
    return seed


def connect_options(seed_file: Path | None) -> dict[str, Any]:
    """What nats-py's `connect` needs to connect with the key in `seed_file`; nothing without one. Raises ValueError."""
    if seed_file is None:
        return {}
    seed = seed_in(seed_file)
    return {"nkeys_seed_str": seed, "inbox_prefix": inbox_prefix(public_of(seed))}


def _public(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return public_of(seed_in(path))
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{new_seed()}\n")
    return public_of(seed_in(path))


def _write(path: Path, text: str, mode: int) -> None:
    """In one step: nats-server may be told to reload at any moment."""
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    beside.replace(path)
