"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StateDir = Annotated[
    Path,
    typer.Option("--state-dir", envvar="OPSWIRE_STATE_DIR", help="Where Opswire keeps its state.", show_default=True),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Source = Annotated[str, typer.Option("--source", help="The upstream's name, the subject's second part.")]
Deadline = Annotated[str, typer.Option("--deadline", help="How long the request may take: 500ms, 30s, 5m, 1h.")]
Key = Annotated[
    Path | None,
    typer.Option("--key", help="The file with your seed; default: the one that OPSWIRE_APPROVER_SEED_FILE names."),
]

STATE_DIR_DEFAULT = Path(".opswire")


def broker_at(state_dir: Path) -> str:
    """The broker's URL: what `OPSWIRE_NATS_URL` says, or where `up` started one here. Raises NotRunningError."""
    from opswire.cli.state import StateDir as Directory  # loaded where a command needs it, for the start of the others
    from opswire.cli.state import broker_url

    return broker_url(Directory(state_dir))
