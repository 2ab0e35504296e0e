"""Private keys in text that is read line by line: no line of one is shown, also where only its end is seen. Pure.

Text in one piece is the redactor's; whoever splits text into lines splits a key as well, and no line alone looks like
one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opswire.chassis.redaction import REDACTED

KEY_LINES_MAX = 250
"""More than any key has; text that only speaks of a key's first line is not hidden to its end."""
HINT = "PRIVATE KEY"
_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"[A-Za-z0-9+/]{1,100}={0,2}")
_BODY_CHARACTERS_MIN = 40


class PrivateKeys:
    """Takes keys out of lines as they come. Every line is given back once, in its order."""

    def __init__(self) -> None:
        self._left = 0
        self._held: list[str] = []

    def take(self, line: str) -> list[str]:
        """The lines that may be shown by now."""
        if self._left:
            end = _END.search(line)
            self._left = 0 if end else self._left - 1
            return [REDACTED + (line[end.end() :] if end else "")]
        begin, end = unended(line), _END.search(line)
        if begin is not None:
            self._left = KEY_LINES_MAX
            return [*self.end(), line[:begin] + REDACTED]
        if end is not None and not _BEGIN.search(line):
            held, self._held = self._held, []
            return [REDACTED] * len(held) + [REDACTED + line[end.end() :]]
        if not self._could_be_body(line.strip()):
            return [*self.end(), line]
        # What it is the part of, the line that comes after it says.
        self._held.append(line)
        return [self._held.pop(0)] if len(self._held) > KEY_LINES_MAX else []

    def end(self) -> list[str]:
        """What was held back and is part of no key."""
        held, self._held = self._held, []
        return held

    def _could_be_body(self, text: str) -> bool:
        return _BODY.fullmatch(text) is not None and (bool(self._held) or len(text) >= _BODY_CHARACTERS_MIN)


def unended(text: str) -> int | None:
    """Where a key begins that does not end in this text; None where none does."""
    begin = None
    for found in _BEGIN.finditer(text):
        begin = found
    return begin.start() if begin is not None and not _END.search(text, begin.end()) else None


def without_keys(lines: Iterable[str]) -> list[str]:
    """As many lines, those of private keys redacted."""
    keys = PrivateKeys()
    found = [shown for line in lines for shown in keys.take(line)]
    return found + keys.end()
