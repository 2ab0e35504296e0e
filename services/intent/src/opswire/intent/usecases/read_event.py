"""From a machine's event to alerts and a sentence. Nothing in a payload is ever an instruction: labels are data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opswire.contracts.findings import AlertSummary, Entity
from opswire.contracts.request_submitted import Event
from opswire.contracts.types import TEXT_CHARACTERS_MAX, EntityType
from opswire.intent.errors import EventMalformedError
from opswire.intent.language.names import NameIndex

ALERTS_MAX = 100
_TITLE_KEYS = ("title", "summary", "message", "description", "subject", "name", "alertname", "event", "text")
_HOST_LABELS = ("instance", "host", "hostname", "node", "server")
_SERVICE_LABELS = ("service", "job", "app", "deployment", "container", "name")


@dataclass(frozen=True, slots=True)
class EventReading:
    """The alerts of an event, what they concern, and one sentence about them."""

    text: str
    alerts: list[AlertSummary]
    entities: list[Entity]

    @property
    def is_resolved(self) -> bool:
        """Whether every alert says that it is over."""
        return bool(self.alerts) and all(alert.status == "resolved" for alert in self.alerts)


def read_event(event: Event, names: NameIndex) -> EventReading:
    """The alerts of `event`. Raises EventMalformedError when the payload is not of its format."""
    alerts = _alertmanager(event.payload) if event.format == "alertmanager.v4" else [_any_json(event.payload)]
    return EventReading(_sentence(alerts), alerts, _entities(alerts, names))


def _alertmanager(payload: Mapping[str, Any]) -> list[AlertSummary]:
    found = payload.get("alerts")
    if not isinstance(found, list) or not found:
        raise EventMalformedError("an alertmanager.v4 payload needs a list `alerts` with at least one alert")
    if len(found) > ALERTS_MAX:
        raise EventMalformedError(f"the payload holds {len(found)} alerts; send at most {ALERTS_MAX} in one event")
    common = _labels(payload.get("commonLabels"))
    return [_alert(alert, common, place) for place, alert in enumerate(found)]


def _alert(alert: object, common: dict[str, str], place: int) -> AlertSummary:
    if not isinstance(alert, dict):
        raise EventMalformedError(f"alerts[{place}] is not an object")
    labels = common | _labels(alert.get("labels"))
    annotations = _labels(alert.get("annotations"))
    summary = annotations.get("summary") or annotations.get("description") or annotations.get("message") or ""
    return AlertSummary(
        name=labels.get("alertname", "")[:256] or "alert without a name",
        status="resolved" if alert.get("status") == "resolved" else "firing",
        severity=labels.get("severity", "")[:64] or None,
        labels=labels,
        summary=summary,
    )


def _any_json(payload: Mapping[str, Any]) -> AlertSummary:
    """One alert out of an object of unknown shape: the first title-like text in it, else its beginning."""
    title = next((payload[key] for key in _TITLE_KEYS if isinstance(payload.get(key), str) and payload[key]), "event")
    flat = {key: str(value) for key, value in payload.items() if isinstance(value, str | int | float | bool)}
    return AlertSummary(
        name=_clean(title)[:256] or "event",
        severity=_clean(str(payload.get("severity") or payload.get("priority") or ""))[:64] or None,
        labels=_labels(flat),
        summary=_clean(json.dumps(payload, ensure_ascii=True))[:1_000],
    )


def _labels(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    pairs = ((str(key)[:256], _clean(str(value))[:1_000]) for key, value in list(found.items())[:64])
    return {key: value for key, value in pairs if key}


def _clean(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _entities(alerts: Sequence[AlertSummary], names: NameIndex) -> list[Entity]:
    """Hosts and services that the inventory knows; an unknown instance stays a label, it is nobody's mistake."""
    found: dict[tuple[EntityType, str], Entity] = {}
    for alert in alerts:
        for kind, keys in ((EntityType.HOST, _HOST_LABELS), (EntityType.SERVICE, _SERVICE_LABELS)):
            for key in keys:
                value = alert.labels.get(key, "").partition(":")[0]
                if value and names.lookup(value) is not None:
                    found.setdefault((kind, value.lower()), Entity(type=kind, value=value))
        if alert.severity:
            entity = Entity(type=EntityType.SEVERITY, value=alert.severity)
            found.setdefault((entity.type, alert.severity.lower()), entity)
    return list(found.values())[:64]


def _sentence(alerts: Sequence[AlertSummary]) -> str:
    firing = [alert for alert in alerts if alert.status == "firing"]
    shown = firing or list(alerts)
    names = ", ".join(dict.fromkeys(alert.name for alert in shown))
    word = "firing" if firing else "resolved"
    return f"{len(shown)} alert{'s' if len(shown) != 1 else ''} {word}: {names}"[:TEXT_CHARACTERS_MAX]
