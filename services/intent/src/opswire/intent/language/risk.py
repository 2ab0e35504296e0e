"""The least risk that a request can have, computed anew for every request from intent, names and text.

It is a floor: the policy, which sees the resolved assets, may raise it and nothing lowers it. Words in the text
raise it; no wording ever brings it below what the intent and the named targets demand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opswire.contracts.findings import Entity
from opswire.contracts.taxonomy import INTENTS, Effect, IntentName
from opswire.contracts.types import EntityType, Risk
from opswire.intent.language.names import MIXED, NameClass, NameIndex
from opswire.intent.language.normalise import clean
from opswire.intent.language.orders import contradicts_orders, least_risk_ordered
from opswire.intent.language.vocabulary import ENVIRONMENT_WORDS

_HIGH_INTENTS = frozenset({IntentName.ACCESS_UPDATE, IntentName.DATA_RESTORE, IntentName.SECRET_READ})
_RELEASES = frozenset({IntentName.RELEASE_DEPLOY, IntentName.RELEASE_ROLLBACK})
_BESIDE_REVERSALS = frozenset({IntentName.DATA_BACKUP, IntentName.CONFIG_UPDATE, IntentName.COMMAND_RUN})
"""Writes that a restore or a rollback is easily taken for; these are HIGH."""
_PRODUCTION = frozenset({"production", "prod", "prd"})
_UNPRODUCTIVE = frozenset({"staging", "test", "development"})
_WHOLE = re.compile(
    r"\b(?:all|every|entire|whole|everything|everywhere|fleet|any)\b"
    r"|\b(?:the|our) (?:production|prod) (?:servers|hosts|fleet|cluster)\b"
)
_DESTRUCTION = re.compile(
    r"\brm\s+-\w*[rf]|\bmkfs|\bdd\s+if=|\b(?:drop|truncate)\s+(?:the\s+)?(?:table|database|schema|collection|index)"
    r"|\b(?:delete|destroy|wipe|purge|erase|remove|format|nuke|terminate)\b[^.;]{0,40}"
    r"\b(?:databases?|volumes?|data|vms?|disks?|buckets?|namespaces?|clusters?|tables?|backups?|snapshots?|partitions?|pvcs?|nodes?)\b"
    r"|\bterraform\s+destroy|\bkubectl\s+delete|\bhelm\s+(?:uninstall|delete)|\bdelete\s+from\b|\bflushall\b"
)
_REVERSAL = re.compile(
    r"\b(?:restore|revert|roll(?:ing)?[ -]?back)\b|\b(?:put|set|get|bring)\b[^.;]{1,40}"
    r"\bback (?:to )?(?:as|how|what) \w+ was\b"
    r"|\bback (?:to|from) (?:the |a |its |an )?(?:\w+ )?(?:snapshot|backup)\b"
)
_INTERRUPTION = re.compile(
    r"\b(?:shutdown|reboot|poweroff|halt|init\s+[06]|kill(?:all)?\s+-9|iptables|chmod|chown|useradd|userdel|passwd|sudo)\b"
)


def risk_of(intent: IntentName, entities: Sequence[Entity], names: NameIndex, text: str) -> Risk:
    """The floor for this request. Reads are LOW, unless their words order a change, and secrets HIGH.

    A write is at least MEDIUM, HIGH where production is named or targeted or something is put back, CRITICAL where it
    destroys data or touches all of production.
    """
    effect = INTENTS[intent].effect
    if effect is Effect.DESTROY:
        return Risk.CRITICAL
    if effect is not Effect.WRITE and intent in _HIGH_INTENTS:
        return Risk.HIGH
    lower = clean(text).lower()
    if effect is not Effect.WRITE:
        return _floor_of_reading(intent, text, lower)
    if _DESTRUCTION.search(lower) is not None:
        return Risk.CRITICAL
    named = _environments_named(entities, lower)
    classes = [found for entity in entities if (found := names.lookup(entity.value)) is not None]
    whole = _WHOLE.search(lower) is not None
    if whole and "production" in named:
        return Risk.CRITICAL
    risk = _floor_of_intent(intent, named, lower)
    if whole and not named and not classes:
        risk = risk.at_least(Risk.HIGH)
    if "production" in named or _hits_production(classes, named):
        risk = risk.at_least(Risk.HIGH)
    return risk


def _floor_of_reading(intent: IntentName, text: str, lower: str) -> Risk:
    """LOW, unless the words order what a reading cannot do: then it was read wrongly, and someone looks."""
    ordered = least_risk_ordered(text) if contradicts_orders(intent) else Risk.LOW
    return Risk.CRITICAL if ordered is Risk.HIGH and _DESTRUCTION.search(lower) is not None else ordered


def _floor_of_intent(intent: IntentName, named: frozenset[str], lower: str) -> Risk:
    if intent in _HIGH_INTENTS:
        return Risk.HIGH
    if intent in _RELEASES:
        return Risk.MEDIUM if named and named <= _UNPRODUCTIVE else Risk.HIGH
    if intent is IntentName.COMMAND_RUN and _INTERRUPTION.search(lower) is not None:
        return Risk.HIGH
    if intent in _BESIDE_REVERSALS and _REVERSAL.search(lower) is not None:
        return Risk.HIGH
    return Risk.MEDIUM


def _environments_named(entities: Sequence[Entity], lower: str) -> frozenset[str]:
    """The environments of the text. Production counts wherever its word stands, inside a name or a path too."""
    named = {
        ENVIRONMENT_WORDS.get(entity.value.lower(), entity.value.lower())
        for entity in entities
        if entity.type is EntityType.ENVIRONMENT
    }
    if any(part in _PRODUCTION for part in re.split(r"[^a-z]+", lower)):
        named.add("production")
    return frozenset(named)


def _hits_production(classes: Sequence[NameClass], named: frozenset[str]) -> bool:
    """Whether a named target is in production, is critical, or may be in production for all that is said.

    A name that several environments share is cleared only by another target, or a word, that says which one.
    """
    if any(known.environment == "production" or known.criticality == "critical" for known in classes):
        return True
    if not any(known.environment in (MIXED, "unknown") for known in classes):
        return False
    placed = {known.environment for known in classes} - {MIXED, "unknown"}
    return not (placed or (named and named <= _UNPRODUCTIVE))
