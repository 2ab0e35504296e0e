"""The key with which this process connects to a broker that asks for one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from opswire.chassis.broker_keys import connect_options
from opswire.cli.errors import UsageError

VARIABLE = "OPSWIRE_NATS_SEED_FILE"
ADVICE = f"{VARIABLE}=FILE, one that `opswire keys broker` made before the broker was last reloaded"
_LOCAL: dict[str, Path] = {}


def remember(url: str, seed_file: Path) -> None:
    """The broker that `up` started here, and the key of whoever may read its state directory."""
    _LOCAL[url] = seed_file


def options_for(url: str, seed_file: Path | None = None) -> dict[str, Any]:
    """What `connect` needs: the key given, else the one that OPSWIRE_NATS_SEED_FILE names, else the local one.

    Raises UsageError where that file holds no key.
    """
    named = os.environ.get(VARIABLE)
    try:
        return connect_options(seed_file or (Path(named) if named else _LOCAL.get(url)))
    except ValueError as error:
        raise UsageError(str(error), ADVICE) from error
