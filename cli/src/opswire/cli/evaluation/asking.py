"""Asks a program of a service: a process of its own, since the command line imports no service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from opswire.cli.errors import CommandError, UsageError
from opswire.cli.state import StateDir

CANNOT = 2
"""The status with which such a program says, in one JSON document, why it cannot do what it was asked."""


def model_environment(state: StateDir) -> dict[str, str]:
    """Our environment, with the model servers that the services of this state directory ask."""
    from opswire.chassis.inference.configuration import FILE_VARIABLE
    from opswire.cli.inference import environment_of, file_of

    return environment_of(state) | {FILE_VARIABLE: str(file_of(state))}


def ask_evaluation(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """The report of `python -m opswire.intent.evaluation`. Raises as `ask_program` does."""
    return ask_program("opswire.intent.evaluation", arguments, environment)


def ask_program(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document of `python -m module`; its progress goes to our standard error as it comes.

    `given` is put on its standard input. Raises UsageError with what the program refuses, CommandError when it breaks.
    """
    command = [sys.executable, "-m", module, *arguments]
    told = None if given is None else json.dumps(given).encode()
    done = subprocess.run(command, input=told, stdout=subprocess.PIPE, env=dict(environment), check=False)
    if done.returncode not in (0, CANNOT):
        raise CommandError(f"{module} ended with status {done.returncode}", "see the lines above")
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise CommandError(f"{module} answered no JSON: {error}", "see the lines above") from error
    if "error" in found:
        raise UsageError(found["error"]["message"], found["error"]["advice"])
    return found
