"""What can be told by its shape alone: addresses, paths, times, counts, versions. One expression, tried once per place.

The group's name says what was seen; a group that names a smaller part (`count_value`) says which part is the entity.
"""

from __future__ import annotations

import re

from opswire.contracts.types import EntityType

_UNIT = (
    r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|wks?|months?|quarters?|years?|nights?"
    r"|weekends?|shifts?|sprints?)"
)
_DAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tues?|wed|thu(?:rs)?|fri|sat|sun)"
_CLOCK = r"(?:midnight|noon|\d{1,2}:\d{2}(?:\s?[ap]m)?(?:\s?utc)?|\d{1,2}\s?[ap]m(?:\s?utc)?|\d{1,2}\s?utc)"
_DATE = r"\d{4}-\d{2}-\d{2}(?:[t ]\d{2}:\d{2}(?::\d{2})?z?)?"
_WHEN = rf"(?:(?:last|this)\s+\w+|yesterday|today|{_DAY}|{_CLOCK}|{_DATE})(?:\s+(?:at\s+)?{_CLOCK})?"
_TIME = "|".join(
    (
        rf"(?:last|past|previous|next)\s+(?:(?:\d+|few|couple\s+of|two|three|four|six|twelve)\s*)?(?:{_UNIT}|{_DAY})\b",
        r"(?:last|past|next)\s+\d+\s?[smhdw]\b",
        rf"since\s+(?:{_WHEN}|the\s+(?:deploy|release|restart|reboot|incident)\b)",
        rf"(?:every|each)\s+(?:(?:\d+|other|two|five|ten)\s*)?(?:{_UNIT}|{_DAY}|morning|evening|[smhd]\b)(?:\s+at\s+{_CLOCK})?",
        r"in\s+\d+\s+(?:seconds?|minutes?|mins?|hours?|days?|weeks?|months?)\b",
        rf"{_DAY}\s+\d{{1,2}}(?:-\d{{1,2}}\s?|\s?[ap]m?\s?-\s?\d{{1,2}}\s?)[ap]m\b",
        rf"{_CLOCK}\s+(?:tonight|today|tomorrow)\b",
        rf"(?:before|after|until|till|by|from)\s+{_DATE}\b",
        r"nightly\b(?![\w-])(?!\s+(?:[\w-]+\s+)?(?:jobs?|builds?|runs?|exports?|imports?|pipelines?)\b)",
        rf"(?:hourly|daily|weekly|monthly|quarterly)\b(?!-)(?:\s+at\s+{_CLOCK})?",
        rf"(?:today|yesterday|tonight|tomorrow|overnight|this\s+(?:morning|afternoon|evening|week|month|weekend))\b"
        rf"(?:\s+at\s+{_CLOCK})?",
        rf"between\s+{_CLOCK}\s+and\s+{_CLOCK}",
        rf"(?:at|by|until|till|before|after|from)\s+{_CLOCK}(?:\s+(?:to|until)\s+{_CLOCK})?\b",
        rf"(?:on\s+)?{_DATE}",
        rf"\d+\s?(?:{_UNIT}|[smhd])\b(?:\s+ago\b)?",
    )
)
_THINGS = (
    r"(?:replicas?|instances?|copies|pods?|nodes?|lines?|rows?|entries|results?|times|workers?|shards?|hosts?|servers?"
    r"|vms?|cores?|vcpus?|cpus?|partitions?|containers?|machines?|messages|errors|events|records|tasks|days)"
)

SCANNER = re.compile(
    rf"""
      (?P<quoted>`[^`]{{1,400}}`|"[^"]{{1,400}}"|(?<!\w)'[^']{{1,400}}'(?!\w))
    | (?P<url>https?://[^\s"'`<>]*[\w/])
    | (?P<ip>(?<![\w.-])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?:/\d{{1,2}})?(?![\w-]|\.\w)
        |(?<![\w:])(?:[0-9a-f]{{1,4}}:){{2,7}}(?::?[0-9a-f]{{1,4}})+(?:/\d{{1,3}})?(?![\w:]))
    | (?P<path>(?<![\w/])(?:~|\.{{1,2}})?/(?:[\w.@%+*~=-]+/?)*[\w*~=%+-](?:\.\w+)*|(?<!\w)[a-z]:\\[^\s"'`]*)
    | (?P<count>(?<![\w.-])(?:(?:last|first|top|latest)\s+)?(?P<count_value>\d+)(?=[\s-]{_THINGS}\b)(?!\s+days)
        |(?<=top\s)\d+\b|\b\d+(?=\s(?:large|bigg|small|new|old|slow|fast|late)(?:e?st)\b)|(?<=replicas=)\d+|(?<=replicas\sto\s)\d+|(?<=replicas\s)\d+
        |(?<![\w.-])\d+(?:\.\d+)?\s?(?:[kmgt]i?b|[kmgt]i|gigs?|gigabytes?|cores?)\b)
    | (?P<time>(?<![\w.-])(?:{_TIME}))
    | (?P<port>(?<!\w)port\s+\#?(?P<port_value>\d{{1,5}})\b|(?<=\w):(?P<port_suffix>\d{{2,5}})\b(?!:)
        |(?<!\w)(?:tcp|udp)/(?P<port_slash>\d{{1,5}})\b|(?<![\w.])(?P<port_first>\d{{1,5}})/(?:tcp|udp)\b)
    | (?P<version>(?<![\w.-])v?\d+(?:\.\d+){{1,3}}(?:-(?:rc|alpha|beta)[\w.]*|-\d+)?\b(?![.%]\d|%)|(?<![\w.-])v\d+\b)
    | (?P<severity>(?<![\w-])(?:sev(?:erity)?[\s-]?[0-5]|p[0-5]|critical|warning|urgent
        |high[\s-](?:priority|severity))(?![\w-]))
    | (?P<word>[\w@](?:[\w.@-]*\w)?)
    """,
    re.VERBOSE | re.IGNORECASE,
)

SHAPE_TYPES: dict[str, EntityType] = {
    "url": EntityType.DOCUMENT,
    "ip": EntityType.IP,
    "path": EntityType.PATH,
    "count": EntityType.COUNT,
    "time": EntityType.TIME_RANGE,
    "port": EntityType.PORT,
    "version": EntityType.VERSION,
    "severity": EntityType.SEVERITY,
}

PARTS: dict[str, tuple[str, ...]] = {
    "count": ("count_value",),
    "port": ("port_value", "port_suffix", "port_slash", "port_first"),
}
"""Where the entity is a part of what the shape covers: `6380` of `port 6380`."""

_ROLE = (
    r"(?:web|www|db|app|api|cache|node|server|srv|host|vm|pve|esx|esxi|sw|switch|rtr|router|fw|lb|bastion|worker|master"
    r"|mail|mx|dns|ns|nas|san|proxy|jump|build|ci|batch|queue|mq|log|mon|monitor|kafka|redis|mysql|pg|postgres|es|elk"
    r"|win|dc|ad|file|files|print|backup|storage|gw|gateway|edge|core|bench|runner|prod|k8s|kube|etcd|minion|hv|ws|box)"
)
HOST_SHAPE = re.compile(
    rf"(?:{_ROLE}(?:[a-z]*)\d{{1,4}}[a-z]?"
    rf"|{_ROLE}[a-z0-9]*(?:-[a-z0-9]+)*-[a-z]*\d{{1,4}}[a-z]?"
    rf"|[a-z][a-z0-9]*(?:-[a-z0-9]+)*-{_ROLE}-?\d{{1,4}}[a-z]?"
    r"|[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|net|org|io|local|internal|lan|corp|dev|cloud|example|intra|home|lab))"
    r"(?:\.[a-z0-9-]+)*",
)
TICKET_SHAPE = re.compile(r"(?:INC|CVE|CHG|REQ|OPS|SRE|JIRA|TICKET|PROB|TASK|RFC|BUG|P|PR|KB|SEV|[A-Z]{2,6})-?\d[\d-]*")
