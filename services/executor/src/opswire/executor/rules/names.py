"""What the name of a unit and of a host look like. Anything else is none, whatever a resolver or shell makes of it."""

from __future__ import annotations

import re

from opswire.executor.rules.addresses import is_address

# What supervisor and systemd both name their units with; a leading dash would be read as an option.
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@\\-]{0,127}")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_unit(text: str) -> bool:
    """Whether the text can be the name of a unit."""
    return _UNIT.fullmatch(text) is not None


def is_hostname(text: str) -> bool:
    """Whether the text is a DNS name: labels of letters, digits, dashes; the last one no number. No address is one."""
    labels = text.removesuffix(".").split(".")
    if is_address(text) or len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    # 127.1, 0x7f.1 and 2130706433 are addresses to some resolvers, and never names.
    return _NUMBER.fullmatch(labels[-1]) is None
