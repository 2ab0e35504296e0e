"""Whether a message may set the mode back to normal: only a person of the role `operator` can, by signature."""

from __future__ import annotations

from opswire.chassis.nkey import NkeyError, verify
from opswire.chassis.statements import mode_statement
from opswire.contracts.mode_changed import ModeChanged
from opswire.executor.rules.people import People

ROLE = "operator"


def may_loosen(message: ModeChanged, people: People) -> bool:
    """Whether the signature is that of an operator's key, valid when the mode was changed, over this very message."""
    if message.person is None or message.signature is None:
        return False
    held = people.holder(message.person)
    if held is None or ROLE not in held.person.roles or held.why_not_at(message.changed_ns) is not None:
        return False
    statement = mode_statement(message.mode, message.reason, message.person, message.changed_ns)
    try:
        verify(message.person, statement, message.signature)
    except NkeyError:
        return False
    return True
