"""Asks the intent service's evaluation: a process of its own, since the command line imports no service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from opswire.cli.errors import CommandError, UsageError

CANNOT = 2
"""The status with which the evaluation says, in one JSON document, why it cannot be made."""


def ask_evaluation(arguments: Sequence[str]) -> dict[str, Any]:
    """The report of `python -m opswire.intent.evaluation`; its progress goes to our standard error as it comes.

    Raises UsageError with what the evaluation refuses, CommandError when it breaks.
    """
    command = [sys.executable, "-m", "opswire.intent.evaluation", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, CANNOT):
        raise CommandError(f"the evaluation ended with status {done.returncode}", "see the lines above")
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise CommandError(f"the evaluation answered no JSON: {error}", "see the lines above") from error
    if "error" in found:
        raise UsageError(found["error"]["message"], found["error"]["advice"])
    return found
