"""The signing key of whoever sits here: a seed in a file that nobody else can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from opswire.chassis.nkey import NkeyError, new_seed, public_of
from opswire.cli.errors import CommandError, UsageError
from opswire.cli.state import StateDir

SEED_VARIABLE = "OPSWIRE_APPROVER_SEED_FILE"
BYTES_MAX = 4_096
ADVICE_KEY = f"--key FILE or {SEED_VARIABLE}=FILE; opswire keys new NAME makes a key"


def read_seed(file: Path | None) -> str:
    """The seed in the file, or in the one that OPSWIRE_APPROVER_SEED_FILE names.

    Raises UsageError where there is none, where others could read it, or where it holds no seed; none quotes it.
    """
    path = file or (Path(os.environ[SEED_VARIABLE]) if os.environ.get(SEED_VARIABLE) else None)
    if path is None:
        raise UsageError("this must be signed, and no key is given", ADVICE_KEY)
    try:
        with path.open("rb") as opened:
            # Of the open file: another one put in its place meanwhile is not the one we judge.
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{path} is no file", ADVICE_KEY)
            if status.st_mode & 0o077:
                raise UsageError(
                    f"others can read or write {path}; a key of theirs is no key of yours", f"chmod 600 {path}"
                )
            if status.st_uid != os.geteuid():
                raise UsageError(f"{path} belongs to somebody else", ADVICE_KEY)
            content = opened.read(BYTES_MAX)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", ADVICE_KEY) from error
    seed = content.decode("ascii", errors="replace").strip()
    try:
        public_of(seed)
    except NkeyError as error:
        raise UsageError(f"{path} holds no seed of a user's key", ADVICE_KEY) from error
    return seed


def make_key(state: StateDir, name: str, file: Path | None) -> tuple[Path, str]:
    """A fresh key: where its seed is now, and its public part. Raises CommandError where a file is there already."""
    path = file or state.path / "keys" / f"{name}.seed"
    seed = new_seed()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} is there already; no key is ever overwritten", "another name, or --file") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", "--file with a place of yours") from error
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{seed}\n")
    return path, public_of(seed)


def people_entry(name: str, public: str, roles: list[str]) -> str:
    """What to put into people.yaml under `people:`."""
    return (
        f"  - name: {name}\n"
        f"    aliases: []  # every other name that {name} asks under, such as slack/U02AB or an address\n"
        f"    roles: [{', '.join(roles)}]\n"
        f"    keys:\n"
        f"      - public: {public}\n"
    )
