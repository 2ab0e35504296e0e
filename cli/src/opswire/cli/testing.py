"""The command as a user runs it, for tests: a process of its own, a clean environment, plain output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class CommandLine:
    """Runs `opswire` as a process of its own against one state directory and one broker."""

    def __init__(self, state_dir: Path, environment: dict[str, str]) -> None:
        self.state_dir = state_dir
        clean = {key: value for key, value in os.environ.items() if not key.startswith("OPSWIRE_")}
        # Wide and without colour, so that tests read what is said and not how it is wrapped.
        self.environment = (
            clean | {"OPSWIRE_STATE_DIR": str(state_dir), "COLUMNS": "200", "NO_COLOR": "1"} | environment
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "opswire.cli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> Result:
        """Run the command to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        finally:
            process.kill()
        return Result(process.returncode, out, err)
