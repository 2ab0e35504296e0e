"""What hosts print, read into values. Pure; each function takes a command's or a file's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SUPERVISOR = re.compile(r"^(?P<unit>\S+)\s+(?P<state>[A-Z]+)\b\s*(?P<detail>.*)$")
_PID = re.compile(r"\bpid (\d{1,10})")
_UPTIME = re.compile(r"\buptime (.+)$")
# Smaller ones are configuration mounts of containers and the like, always full and never of interest.
FILESYSTEM_KB_MIN = 1024
_SUPERVISOR_STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "STOPPED": "stopped",
    "STOPPING": "stopping",
    "BACKOFF": "failing to start",
    "FATAL": "failed",
    "EXITED": "exited",
    "UNKNOWN": "unknown",
}


@dataclass(frozen=True, slots=True)
class UnitReading:
    """A unit as its manager sees it. `pid` is None where no process runs."""

    unit: str
    state: str
    pid: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Filesystem:
    """One line of `df -P`, in kB."""

    device: str
    mount: str
    size_kb: int
    used_kb: int
    available_kb: int

    @property
    def used_percent(self) -> float:
        """Used of what users may use, as df reckons it."""
        usable = self.used_kb + self.available_kb
        return round(100 * self.used_kb / usable, 1) if usable else 0.0


def read_supervisor(text: str) -> list[UnitReading]:
    """The lines of `supervisorctl status`. Lines of another shape are left out."""
    found = []
    for line in text.splitlines():
        match = _SUPERVISOR.match(line)
        if match is None or match["state"] not in _SUPERVISOR_STATES:
            continue
        pid, uptime = _PID.search(match["detail"]), _UPTIME.search(match["detail"])
        detail = f"up {uptime[1].strip()}" if uptime else match["detail"].strip()
        found.append(UnitReading(match["unit"], _SUPERVISOR_STATES[match["state"]], _process(pid), detail))
    return found


def as_groups(readings: Sequence[UnitReading]) -> list[UnitReading]:
    """The units, with one line for a group of several processes; those of it that are neither up nor at rest stay.

    A place of a group that nobody filled is no fault: how many run is for whoever scales it.
    """
    groups: dict[str, list[UnitReading]] = {}
    for reading in readings:
        group, colon, _ = reading.unit.partition(":")
        groups.setdefault(group if colon else reading.unit, []).append(reading)
    found: list[UnitReading] = []
    for name, members in groups.items():
        if len(members) == 1:
            found += members
            continue
        found.append(group_reading(name, members))
        found += [member for member in members if member.state not in ("running", "stopped")]
    return found


def group_reading(name: str, members: Sequence[UnitReading]) -> UnitReading:
    """A group as one unit, without a pid of its own."""
    alive = sum(member.state == "running" for member in members)
    state = "running" if alive else "stopped"
    return UnitReading(name, state, None, f"{alive} of {len(members)} processes run")


def _process(match: re.Match[str] | None) -> int | None:
    return int(match[1]) or None if match else None


def read_systemd(unit: str, text: str) -> UnitReading | None:
    """The properties that `systemctl show` prints for one unit; None when they are not there."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    active = values.get("ActiveState")
    if active is None:
        return None
    if values.get("LoadState") == "not-found":
        return UnitReading(unit, "unknown", None, "no such unit")
    sub = values.get("SubState", "")
    started = values.get("ExecMainStartTimestamp", "")
    pid = values.get("MainPID", "0")
    state = {"active": "running" if sub == "running" else "active", "inactive": "stopped"}.get(active, active)
    detail = f"{sub}, since {started}" if started and active == "active" else sub
    return UnitReading(unit, state, int(pid) or None if pid.isascii() and pid.isdigit() else None, detail)


def read_systemd_failed(text: str) -> list[UnitReading]:
    """The units of `systemctl list-units --state=failed --plain --no-legend`."""
    names = (line.split() for line in text.splitlines())
    return [UnitReading(words[0], "failed", None, " ".join(words[4:])) for words in names if len(words) >= 4]


def read_uptime_s(text: str) -> float | None:
    """Seconds since the host started, from /proc/uptime; None when the text is another."""
    match = re.match(r"(\d+(?:\.\d+)?)\s", text + " ")
    return float(match[1]) if match else None


def read_load(text: str) -> tuple[float, float, float] | None:
    """The load averages of 1, 5 and 15 minutes, from /proc/loadavg."""
    match = re.match(r"(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\b", text)
    return (float(match[1]), float(match[2]), float(match[3])) if match else None


def read_memory_kb(text: str) -> tuple[int, int] | None:
    """Total and available memory in kB, from /proc/meminfo."""
    values = {match[1]: int(match[2]) for match in re.finditer(r"(?m)^(\w+):\s+(\d+) kB", text)}
    total, available = values.get("MemTotal"), values.get("MemAvailable", values.get("MemFree"))
    return (total, available) if total and available is not None else None


def read_filesystems(text: str) -> list[Filesystem]:
    """The lines of `df -P` that stand for storage; those of the kernel (tmpfs, proc ...) are left out."""
    found: dict[str, Filesystem] = {}
    for line in text.splitlines()[1:]:
        match = re.match(r"(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(?:\d+%|-)\s+(/.*)$", line)
        if match is None or int(match[2]) < FILESYSTEM_KB_MIN:
            continue
        if match[1] in {"tmpfs", "devtmpfs", "udev", "none", "shm", "proc", "sysfs"} or match[1].startswith(
            "/dev/loop"
        ):
            continue
        filesystem = Filesystem(match[1], match[5], int(match[2]), int(match[3]), int(match[4]))
        # Bind mounts show the same device again; its shortest mount is the one people know.
        known = found.get(filesystem.device)
        if known is None or len(filesystem.mount) < len(known.mount):
            found[filesystem.device] = filesystem
    return list(found.values())


def duration(seconds: float) -> str:
    """`3 d 4 h`, `4 h 5 min`, `5 min`, `12 s`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def size(kilobytes: float) -> str:
    """`512 kB`, `1.5 MB`, `7.8 GB`: powers of 1,024, one decimal."""
    value, unit = kilobytes, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "kB" else f"{value:.1f} {unit}"
