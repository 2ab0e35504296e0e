"""What a plan reads out of the request: entities, and the few words of the text that entities do not carry."""

from __future__ import annotations

import re

from opswire.contracts.context_resolved import ContextResolved
from opswire.contracts.findings import Asset
from opswire.contracts.types import EntityType
from opswire.executor.errors import IncompleteRequestError
from opswire.executor.rules.cells import listed

LINES_DEFAULT = 50
LINES_MAX = 500
FILTER_CHARACTERS_MAX = 100
FILTERS_MAX = 5

_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|`([^`\n]+)`|(?<!\w)\'([^\'\n]+)\'(?!\w)')
_TEXT = r'(?:"([^"]{1,400})"|“([^”]{1,400})”|`([^`]{1,400})`|(?<!\w)\'([^\']{1,400})\'(?!\w))'
_REPLACED = re.compile(rf"\b(?:replace|change)\s+{_TEXT}\s+(?:with|to|by)\s+{_TEXT}", re.IGNORECASE)
_LEVELS = {
    "error": "error",
    "errors": "error",
    "warning": "warn",
    "warnings": "warn",
    "exception": "exception",
    "exceptions": "exception",
    "fatal": "fatal",
    "critical": "critical",
    "panic": "panic",
    "traceback": "traceback",
    "tracebacks": "traceback",
    "timeout": "timeout",
    "timeouts": "timeout",
    "failed": "fail",
    "failure": "fail",
    "failures": "fail",
    "denied": "denied",
}
_HTTP_STATUS = re.compile(r"\b([45]\d\d)(?:s\b|\s+(?:errors?|responses?|status))", re.IGNORECASE)
_METRICS = {
    "load": r"load|load average|cpu|processor|busy",
    "memory": r"mem|memory|ram|swap",
    "uptime": r"uptime",
    "disk": r"disk|storage|filesystem|file system|space|df|volume",
}
_GENERAL_METRIC = re.compile(r"utili[sz]ation|usage|metrics?|health|performance")
_METRICS_DEFAULT = ("load", "memory", "disk")
_RELATION = re.compile(r"\b(reach|connect\w*|talk|see|access|contact|ping|get to|to)\b|->|→|=>")
_FROM = re.compile(r"\b(from|between)\s+(the\s+)?(host\s+|server\s+)?$")
_NAMES = re.compile(r"\b(dns|resolv\w*|nslookup|dig|lookup|look up|name server|nameserver|a record|aaaa|cname)\b")
_CERTIFICATE = re.compile(r"\b(tls|ssl|https|cert|certs|certificate|certificates|handshake)\b")


def entity_values(context: ContextResolved, *types: EntityType) -> list[str]:
    """The values of the entities of these types, in the order of the text, each once."""
    found = (entity.value for entity in context.intent.entities if entity.type in types)
    return list(dict.fromkeys(found))


def first_value(context: ContextResolved, kind: EntityType) -> str | None:
    """The first entity's value of a type, or None."""
    return next(iter(entity_values(context, kind)), None)


def replaced_texts(context: ContextResolved) -> list[tuple[str, str]]:
    """What is to be replaced and by what: `replace "a" with "b"`, `change "a" to "b"`, in the order of the text."""
    found = []
    for match in _REPLACED.finditer(context.text):
        old, new = (next(text for text in match.groups()[start : start + 4] if text) for start in (0, 4))
        found.append((old, new))
    return found


def asked_releases(context: ContextResolved) -> tuple[str | None, str | None]:
    """The release to change to, and the one that is said to be in use: `to 1.4.0`, `from 1.5.0 to 1.4.0`.

    Raises IncompleteRequestError where several are named and no word says which is which.
    """
    named = entity_values(context, EntityType.VERSION)
    before = [each for each in named if _is_after(context.text, "from", each)]
    after = [each for each in named if each not in before]
    if len(after) > 1 or len(before) > 1:
        raise IncompleteRequestError(f"Which release? {listed(named)} are named; name the one to change to.")
    return next(iter(after), None), next(iter(before), None)


def _is_after(text: str, word: str, name: str) -> bool:
    pattern = rf"\b{word}\s+(?:the\s+)?(?:version\s+|release\s+)?{re.escape(name)}(?![\w.])"
    return re.search(pattern, text, re.IGNORECASE) is not None


def line_count(context: ContextResolved) -> int:
    """How many log lines are asked for: 1 to 500, 50 when the request does not say."""
    match = re.search(r"[0-9]{1,9}", first_value(context, EntityType.COUNT) or "")
    return min(max(int(match.group()), 1), LINES_MAX) if match else LINES_DEFAULT


def asked_port(context: ContextResolved) -> int | None:
    """The port that the request names, or None. Numbers that are no port are left out."""
    for value in entity_values(context, EntityType.PORT):
        match = re.search(r"[0-9]{1,9}", value)
        if match and 1 <= int(match.group()) <= 65535:
            return int(match.group())
    return None


def quoted_texts(context: ContextResolved) -> list[str]:
    """What the request quotes, in its order."""
    return [next(group for group in match if group).strip() for match in _QUOTED.findall(context.text)]


def filter_words(context: ContextResolved) -> list[str]:
    """What a log line must hold one of: quoted phrases, else status codes and level words such as "errors"."""
    phrases = [phrase[:FILTER_CHARACTERS_MAX] for phrase in quoted_texts(context) if phrase]
    if phrases:
        return list(dict.fromkeys(phrases))[:FILTERS_MAX]
    text = context.text.casefold()
    for value in sorted(_literal_values(context), key=len, reverse=True):
        text = text.replace(value.casefold(), " ")
    statuses = _HTTP_STATUS.findall(text)
    if statuses:
        return list(dict.fromkeys(statuses))[:FILTERS_MAX]
    levels = [_LEVELS[word] for word in re.findall(r"[a-z]+", text) if word in _LEVELS]
    return list(dict.fromkeys(levels))[:FILTERS_MAX]


def _literal_values(context: ContextResolved) -> list[str]:
    # A path such as /var/log/nginx/error.log or a host named error-log-1 asks for no filter.
    names = [name for asset in context.assets for name in (asset.name, *asset.aliases)]
    return entity_values(context, EntityType.PATH, EntityType.HOST, EntityType.SERVICE, EntityType.APPLICATION) + names


def asked_metrics(context: ContextResolved) -> list[str] | None:
    """Which of load, memory, disk and uptime are asked for; the first three when none is named.

    None when only metrics that are not measured here are named.
    """
    named = [
        value for value in entity_values(context, EntityType.METRIC) if not _GENERAL_METRIC.fullmatch(value.casefold())
    ]
    where = " ".join(named).casefold() if named else context.text.casefold()
    found = [metric for metric, words in _METRICS.items() if re.search(rf"\b(?:{words})s?\b", where)]
    if found or not named:
        return found or list(_METRICS_DEFAULT)
    return None


def asks_for_names(context: ContextResolved) -> bool:
    """Whether the text speaks of DNS."""
    return _NAMES.search(context.text.casefold()) is not None


def asks_for_certificate(context: ContextResolved) -> bool:
    """Whether the text speaks of TLS or certificates."""
    return _CERTIFICATE.search(context.text.casefold()) is not None


def source_asset(context: ContextResolved) -> Asset | None:
    """The asset that the text asks to connect from ("can web-01 reach db-01", "from web-01"), or None."""
    if context.selection != "named" or len(context.assets) < 2:
        return None
    text = context.text.casefold()
    places = [(place, asset) for asset in context.assets if (place := _place(asset, text)) is not None]
    for (start, _), asset in places:
        if _FROM.search(text[:start]):
            return asset
    places.sort(key=lambda item: item[0])
    if len(places) < 2:
        return None
    ((_, first_end), first), ((second_start, _), _) = places[0], places[1]
    return first if _RELATION.search(text[first_end:second_start]) else None


def _place(asset: Asset, text: str) -> tuple[int, int] | None:
    for name in sorted((asset.name, *asset.aliases), key=len, reverse=True):
        match = re.search(rf"(?<![\w-]){re.escape(name.casefold())}(?![\w-])", text)
        if match:
            return match.span()
    return None
