"""Whether a signed change of mode, or a signed finding about a step, counts. Pure; approvals are in `approval`."""

from __future__ import annotations

from opswire.chassis.nkey import NkeyError, verify
from opswire.chassis.statements import mode_statement, resolution_statement
from opswire.contracts.mode_changed import ModeChanged
from opswire.contracts.resolution_recorded import ResolutionRecorded
from opswire.executor.rules.approval import Refused
from opswire.executor.rules.people import People, Person

OPERATOR = "operator"
CLOCKS_APART_NS = 300_000_000_000
"""How far a person's clock may be from the broker's: an older signature could be one that was used before."""


def loosening_refused(changed: ModeChanged, stored_ns: int, tightened_ns: int, people: People) -> Refused | None:
    """Why a change to a milder mode does not count; None when it does. Tightening needs no leave and no signature.

    `stored_ns` is when the broker stored it, `tightened_ns` when it stored the newest change to a stricter one (0 for
    none): a signature from before that one was meant for an earlier stop and is not taken again.
    """
    who = changed.person or ""
    if changed.person is None or changed.signature is None:
        return Refused(who, "signature_missing", "a milder mode needs the signature of an operator")
    if changed.changed_ns <= tightened_ns:
        return Refused(who, "signed_before", "it was signed before the mode was tightened")
    if abs(stored_ns - changed.changed_ns) > CLOCKS_APART_NS:
        return Refused(who, "signed_long_ago", "it was signed at another time than it was sent; are the clocks right?")
    statement = mode_statement(changed.mode, changed.reason, who, changed.changed_ns)
    found = _person(people, who, statement, changed.signature, stored_ns)
    if isinstance(found, Refused):
        return found
    if OPERATOR not in found.roles:
        return Refused(who, "role_missing", f"{found.name} does not have the role {OPERATOR}")
    return None


def resolution_by(found: ResolutionRecorded, source: str, people: People, now_ns: int) -> Person | Refused:
    """Who settled a step, or why the finding does not count. Any role will do: it says what is, it changes nothing."""
    statement = resolution_statement(
        source, found.request_id, found.number, found.found, found.person, found.note, found.found_ns
    )
    return _person(people, found.person, statement, found.signature, now_ns)


def _person(people: People, key: str, statement: bytes, signature: str, at_ns: int) -> Person | Refused:
    if people.fault is not None:
        return Refused(key, "people_unreadable", f"the file of people is broken: {people.fault}")
    held = people.holder(key)
    if held is None:
        return Refused(key, "key_unknown", "nobody holds this key")
    why_not = held.why_not_at(at_ns)
    if why_not is not None:
        return Refused(key, *why_not)
    try:
        verify(key, statement, signature)
    except NkeyError as error:
        return Refused(key, error.code, str(error))
    return held.person
