"""How a command ends when it cannot do what it was asked: one sentence, what to do, and a documented exit status."""

from __future__ import annotations

from typing import ClassVar

EXIT_STATUSES = """Exit statuses: 0 done · 1 failed · 2 wrong usage · 3 Opswire does not run or does not answer ·
4 not found · 5 the request ended other than completed · 6 no outcome in time · 7 doctor found something wrong."""


class CommandError(Exception):
    """The command failed. `advice` says what to do about it; neither holds a secret."""

    exit_status: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(sentence)
        self.advice = advice


class UsageError(CommandError):
    """The arguments do not fit together."""

    exit_status = 2
    code = "wrong_usage"


class NotRunningError(CommandError):
    """Opswire does not run in this state directory, or does not answer."""

    exit_status = 3
    code = "not_running"


class NotFoundError(CommandError):
    """What was named does not exist."""

    exit_status = 4
    code = "not_found"


class NoOutcomeError(CommandError):
    """The request was accepted and no outcome was seen in time."""

    exit_status = 6
    code = "no_outcome"


OUTCOME_NOT_COMPLETED = 5
DOCTOR_FOUND_SOMETHING = 7
