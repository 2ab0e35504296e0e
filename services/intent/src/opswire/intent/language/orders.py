"""Orders to change something, told by their verbs alone, whatever the classifier thinks of the rest of the sentence.

`remove the files that show logs wrote` is full of words of reading, and yet it is an order. Verbs that people also use
to ask for a reading (`create a report`, `start over`, `change log`) are not here: in the labelled requests, what begins
with one of these verbs is never a question.
"""

from __future__ import annotations

import re

from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import Risk
from opswire.intent.language.normalise import normalise

_GRAVE = "delete|remove|drop|purge|wipe|erase|destroy|nuke|truncate|terminate|uninstall"
_GUARDED = "grant|revoke|chmod|chown|allow|permit|deny|block|lock|unlock|restore|revert|rollback|redeploy"
_PLAIN = (
    "restart|reboot|bounce|stop|kill|shutdown|scale|install|upgrade|patch|move|copy|rename|compress|uncompress|zip|unzip"
    "|gzip|append|prepend|replace|enable|disable|reset|rotate|add|cordon|drain|silence|mute|configure|resize|migrate"
    "|clear|flush|apply|set"
)
_RIGHTS = (
    r"(?:change|modify|update|fix|adjust) (?:the )?(?:file )?(?:permissions?|modes?|owner(?:ship)?|access rights)\b"
)
_FIRST = re.compile(
    rf"(?P<high>(?:{_GRAVE}|{_GUARDED})\b|{_RIGHTS}|(?:open|close) (?:tcp |udp )?ports?\b)|(?P<medium>(?:{_PLAIN})\b)"
)
_LATER = re.compile(
    r"(?:\b(?:and|then|otherwise|else|not)|[,;.!?])\s+(?:then |please |just )?"
    rf"(?:(?P<high>{_GRAVE}|revoke|grant|chmod|chown)|(?P<medium>restart|reboot|kill|bounce|(?:start|stop|shut) it))\b"
)
_ANSWERS = frozenset(
    {
        IntentName.KNOWLEDGE_ANSWER,
        IntentName.SYSTEM_HELP,
        IntentName.INCIDENT_REPORT,
        IntentName.NOTE_CONVERT,
        IntentName.DOCUMENT_PROCESS,
    }
)
"""Readings of words, not of systems: an order that stands in them is talked about, not given."""


def least_risk_ordered(text: str) -> Risk:
    """HIGH or MEDIUM where the text begins with, or goes on to, an order to change something; LOW where it does not."""
    lower = normalise(text).lower()
    found = [match for match in (_FIRST.match(lower), _LATER.search(lower)) if match is not None]
    if any(match["high"] for match in found):
        return Risk.HIGH
    return Risk.MEDIUM if found else Risk.LOW


def contradicts_orders(intent: IntentName) -> bool:
    """Whether this intent only looks at live systems, so that a text that orders a change cannot mean it."""
    return INTENTS[intent].effect is Effect.READ and intent not in _ANSWERS
