"""Which things a request asks for, clause by clause, told by its words alone: pure, and the same every time.

A change is asked for only by a clause that begins with its verb: `do not restart it`, `why does it restart` name none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import RequesterKind
from opswire.executor.usecases.words import replaced_texts

_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|`[^`\n]*`|(?<!\w)\'[^\'\n]*\'(?!\w)')
_JOINS = ("and", "also", "plus", "as well as")
_STOPS = (",", ";", ".", "!", "?", "\n", "then", "and then", "and also", "after that", "afterwards")
_BREAK = re.compile(
    r"([,;!?](?=\s|$)|\.(?=\s|$)|\n"
    r"|\b(?:and then|and also|after that|afterwards|as well as|and|then|also|plus)\b)"
)
_ASKS = re.compile(r"(?:find out )?(?:why|how|when|what)\b")
_POLITE = re.compile(
    r"^(?:(?:please|pls|kindly|just|now|first|next|finally|to|can you|could you|would you|i want you to|go ahead)\s+)+"
)
_VERBS = {
    IntentName.SERVICE_RESTART: r"(?:restart|reboot|bounce)\b",
    IntentName.SERVICE_START: r"(?:start|bring up)\b(?! over)",
    IntentName.SERVICE_STOP: r"(?:stop|shut down|shutdown)\b",
    IntentName.SERVICE_SCALE: r"scale\b",
    IntentName.RELEASE_DEPLOY: r"(?:deploy|roll out)\b",
    IntentName.RELEASE_ROLLBACK: r"(?:roll back|rollback|revert)\b",
    IntentName.COMMAND_RUN: r"(?:run|execute)\b",
    IntentName.DATA_BACKUP: r"(?:back up|backup)\b",
    IntentName.DATA_RESTORE: r"restore\b",
    IntentName.DATA_DELETE: r"(?:delete|remove|purge|wipe)\b",
}
_REPLACES = re.compile(r"(?:(?:in|on)\s+\S+\s+(?:(?:in|on)\s+\S+\s+)?)?(?:replace|change)\b")
_READS = {
    IntentName.DIAGNOSE_ISSUE: r"^(?:find out )?(?:why|what is wrong|what's wrong|diagnose|investigate|troubleshoot)\b",
    IntentName.LOGS_SEARCH: r"\b(?:logs?|journal)\b",
    IntentName.DIAGNOSE_CONNECTIVITY: r"\b(?:reach\w*|connect\w*|ping|dns|resolv\w*|certificates?|tls)\b",
    IntentName.METRICS_QUERY: r"\b(?:load|cpu|memory|ram|disks?|uptime)\b",
    IntentName.STATUS_CHECK: r"\b(?:status|state|up|running|runs|alive|health\w*)\b",
}
_CHANGES = {name: re.compile(pattern) for name, pattern in _VERBS.items()}
_LOOKS = {name: re.compile(pattern) for name, pattern in _READS.items()}
_RANKS = list(Effect)


@dataclass(frozen=True)
class AskedFor:
    """What the text of a request names, in its order, each once."""

    context: ContextResolved

    @cached_property
    def things(self) -> tuple[IntentName, ...]:
        """The intents that its clauses stand for; clauses that stand for none are left out."""
        found = [self._of(clause, may_order) for clause, may_order in _clauses(self.context.text)]
        return tuple(dict.fromkeys(each for each in found if each is not None))

    @property
    def is_composite(self) -> bool:
        """Whether several things are asked for."""
        return len(self.things) > 1

    @property
    def changes(self) -> tuple[IntentName, ...]:
        """The changes that it names."""
        return tuple(name for name in self.things if INTENTS[name].effect in (Effect.WRITE, Effect.DESTROY))

    @property
    def permitted(self) -> tuple[IntentName, ...]:
        """The changes that a plan may hold: a person asks, and the intent that was found stands for as much.

        A program's words are often other people's (an alert's text, a ticket); a look never grows into a change.
        """
        if self.context.requester.kind is not RequesterKind.HUMAN:
            return ()
        most = _RANKS.index(INTENTS[self.context.intent.name].effect)
        return tuple(name for name in self.changes if _RANKS.index(INTENTS[name].effect) <= most)

    def _of(self, clause: str, may_order: bool) -> IntentName | None:
        for name, pattern in _CHANGES.items():
            if may_order and pattern.match(clause):
                return name
        if may_order and _REPLACES.match(clause) and replaced_texts(self.context):
            return IntentName.CONFIG_UPDATE
        return next((name for name, pattern in _LOOKS.items() if pattern.search(clause)), None)


def _clauses(text: str) -> list[tuple[str, bool]]:
    """The clauses in lower case, without polite beginnings, and whether each can be an order.

    What is quoted never breaks a clause nor begins one. `why does it restart and stop` asks, all of it.
    """
    plain = _QUOTED.sub("\N{WHITE SQUARE}", text).lower()
    found: list[tuple[str, bool]] = []
    is_asking = False
    for part in _BREAK.split(plain):
        if part in _JOINS:
            continue
        if part in _STOPS:
            is_asking = False
            continue
        clause = _POLITE.sub("", part.strip())
        if clause:
            found.append((clause, not is_asking))
            is_asking = is_asking or _ASKS.match(clause) is not None
    return found
