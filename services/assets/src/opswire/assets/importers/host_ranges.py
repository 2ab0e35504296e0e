"""Ansible's host patterns: `web[01:03].example.com:2222` is three hosts and a port."""

from __future__ import annotations

import ipaddress
import re
from string import ascii_lowercase, ascii_uppercase

HOSTS_MAX = 100_000

_RANGE = re.compile(r"\[(?P<begin>[^\]:\[]*):(?P<end>[^\]:\[]+)(?::(?P<step>\d+))?\]")
_PORT = re.compile(r"^(?P<name>.+):(?P<port>\d{1,5})$")


def expand(pattern: str) -> list[tuple[str, str | None]]:
    """All hosts of a pattern, each with its port if one is given. Raises ValueError for a range that is none."""
    name, port = _split_port(pattern)
    if _is_address(name):
        return [(name.strip("[]"), port)]
    names = [name]
    while any("[" in one for one in names):
        names = [expanded for one in names for expanded in _expand_first(one)]
        if len(names) > HOSTS_MAX:
            raise ValueError(f"the range has more than {HOSTS_MAX} hosts")
    return [(one, port) for one in names]


def _split_port(pattern: str) -> tuple[str, str | None]:
    found = _PORT.match(pattern)
    # The colon inside a range or inside a bare IPv6 address is no port.
    if found is None or found["name"].count("[") != found["name"].count("]") or _is_address(pattern):
        return pattern, None
    return found["name"], found["port"]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _expand_first(pattern: str) -> list[str]:
    found = _RANGE.search(pattern)
    if found is None:
        raise ValueError(f"{pattern} has a range that cannot be read")
    begin, end, step = found["begin"] or "0", found["end"], int(found["step"] or 1)
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [head + value + tail for value in _values(begin, end, step)]


def _values(begin: str, end: str, step: int) -> list[str]:
    if step < 1:
        raise ValueError("the step of a range must be at least 1")
    if begin.isdecimal() and end.isdecimal() and begin.isascii() and end.isascii():
        if len(begin) > 1 and begin[0] == "0" and len(begin) != len(end):
            raise ValueError(f"[{begin}:{end}] must have ends of the same width")
        if len(begin) > 12 or len(end) > 12:
            raise ValueError(f"[{begin}:{end}] is too large")
        width = len(begin) if begin[0] == "0" else 0
        numbers = range(int(begin), int(end) + 1, step)
        if not numbers:
            raise ValueError(f"[{begin}:{end}] is empty")
        if len(numbers) > HOSTS_MAX:
            raise ValueError(f"the range has more than {HOSTS_MAX} hosts")
        return [str(number).zfill(width) for number in numbers]
    for letters in (ascii_lowercase, ascii_uppercase):
        if len(begin) == len(end) == 1 and begin in letters and end in letters and begin <= end:
            return list(letters[letters.index(begin) : letters.index(end) + 1 : step])
    raise ValueError(f"[{begin}:{end}] is no range of numbers or of letters")
