"""The tools that log in to a host: its state, its units, its load, its logs and its files."""

from __future__ import annotations

import asyncio

from opswire.contracts.findings import Asset
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.remote_files import Listing, RemoteFiles
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.adapters.together import together
from opswire.executor.adapters.units import Units, command_failed, unit_record
from opswire.executor.errors import BadArgumentError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.names import is_unit
from opswire.executor.rules.readings import (
    Filesystem,
    UnitReading,
    as_groups,
    duration,
    read_filesystems,
    read_load,
    read_memory_kb,
    read_supervisor,
    read_systemd_failed,
    read_uptime_s,
    size,
)
from opswire.executor.rules.tools import Record, Tool, ToolCall, ToolResult


class HostTools:
    """Tools over one set of SSH connections."""

    def __init__(self, ssh: Ssh, settings: DriverSettings) -> None:
        self._ssh = ssh
        self._files = RemoteFiles(ssh)
        self.units = Units(ssh)
        self._settings = settings

    def tools(self) -> dict[str, Tool]:
        """The tools by name."""
        return {
            "ssh.host_status": self.host_status,
            "ssh.unit_status": self.unit_status,
            "ssh.host_load": self.host_load,
            "ssh.log_tail": self.log_tail,
            "ssh.file_read": self.file_read,
            "ssh.port_check": self.port_check,
        }

    async def host_status(self, call: ToolCall) -> ToolResult:
        """Whether the host lets us in, how long it is up, its supervisor's units or the failed ones of systemd."""
        host = call.needed_host()
        async with self._ssh.connected(host):
            uptime = await self._ssh.run(host, ["cat", "/proc/uptime"])
            units = await self._units(host, call.text("manager"))
        seconds = read_uptime_s(uptime.stdout)
        up = f"up {duration(seconds)}" if seconds is not None else "uptime not known"
        name = call.needed_asset().name
        records: list[Record] = [{"asset": name, "check": "ssh", "state": "reachable", "pid": None, "detail": up}]
        records += [unit_record(name, f"unit {unit.unit}", unit) for unit in units]
        return ToolResult(tuple(records))

    async def unit_status(self, call: ToolCall) -> ToolResult:
        """The real state and pid of one unit. Raises BadArgumentError for a name that is none."""
        unit, manager = call.text("unit"), call.text("manager")
        if not is_unit(unit):
            raise BadArgumentError(f"{unit[:80]!r} is not the name of a unit")
        reading = await self.units.read(call.needed_host(), unit, manager)
        return ToolResult((unit_record(call.needed_asset().name, f"unit {unit}", reading),))

    async def _units(self, host: Asset, manager: str) -> list[UnitReading]:
        if manager != "systemd":
            result = await self._ssh.run(host, ["supervisorctl", "status"])
            readings = as_groups(read_supervisor(result.stdout))
            if readings or manager == "supervisor":
                return readings
        argv = ["systemctl", "list-units", "--type=service", "--state=failed", "--plain", "--no-legend", "--no-pager"]
        result = await self._ssh.run(host, argv)
        return read_systemd_failed(result.stdout) if result.exit_status == 0 else []

    async def host_load(self, call: ToolCall) -> ToolResult:
        """Load averages, memory in use and file systems of the host now: those named in the argument `metrics`."""
        host, asked = call.needed_host(), call.text("metrics").split(",")
        readers = {"load": self._load, "memory": self._memory, "disk": self._disk, "uptime": self._uptime}
        wanted = [reader for metric, reader in readers.items() if metric in asked]
        if not wanted:
            raise BadArgumentError("nothing that is measured is asked for")
        groups = await together(*(reader(host) for reader in wanted))
        return ToolResult(tuple(record for group in groups for record in group))

    async def _load(self, host: Asset) -> list[Record]:
        result = await self._ssh.run(host, ["cat", "/proc/loadavg"])
        load = read_load(result.stdout)
        if load is None:
            raise command_failed("/proc/loadavg", host, result)
        names = ("load_1m", "load_5m", "load_15m")
        return [_metric(host, name, value, "", "") for name, value in zip(names, load, strict=True)]

    async def _memory(self, host: Asset) -> list[Record]:
        result = await self._ssh.run(host, ["cat", "/proc/meminfo"])
        memory = read_memory_kb(result.stdout)
        if memory is None:
            raise command_failed("/proc/meminfo", host, result)
        total, available = memory
        percent = round(100 * (total - available) / total, 1)
        return [_metric(host, "memory_used", percent, "%", f"{size(total - available)} of {size(total)}")]

    async def _uptime(self, host: Asset) -> list[Record]:
        result = await self._ssh.run(host, ["cat", "/proc/uptime"])
        seconds = read_uptime_s(result.stdout)
        if seconds is None:
            raise command_failed("/proc/uptime", host, result)
        return [_metric(host, "uptime", int(seconds), "s", duration(seconds))]

    async def _disk(self, host: Asset) -> list[Record]:
        result = await self._ssh.run(host, ["df", "-P"])
        filesystems = read_filesystems(result.stdout)
        if not filesystems:
            raise command_failed("df", host, result)
        return [_metric(host, "disk_used", one.used_percent, "%", f"{one.mount}, {_free(one)}") for one in filesystems]

    async def log_tail(self, call: ToolCall) -> ToolResult:
        """The last lines of a log, or the last ones that hold any of the words in `contains` (one a line, any case)."""
        host = call.needed_host()
        tail = await self._files.read_tail(host, call.text("path"))
        lines = tail.lines
        if "contains" in call.step.arguments:
            words = [word.casefold() for word in call.text("contains").split("\n") if word]
            lines = [line for line in lines if any(word in line.casefold() for word in words)]
        last = lines[-max(call.number("lines"), 1) :]
        note = "Only the last 256 kB were searched." if tail.cut and len(last) < call.number("lines") else ""
        name = call.needed_asset().name
        return ToolResult(tuple({"asset": name, "line": plain(line)} for line in last), note)

    async def file_read(self, call: ToolCall) -> ToolResult:
        """A text file's lines, or a directory's entries."""
        host, name = call.needed_host(), call.needed_asset().name
        found = await self._files.read_file_or_list(host, call.text("path"))
        if isinstance(found, Listing):
            note = f"Only the first {len(found.entries)} entries are listed." if found.cut else ""
            return ToolResult(
                tuple(
                    {"asset": name, "name": plain(entry.name, 300), "kind": entry.kind, "size_bytes": entry.size_bytes}
                    for entry in found.entries
                ),
                note,
            )
        lines = found.splitlines()
        return ToolResult(
            tuple({"asset": name, "number": number, "line": plain(line)} for number, line in enumerate(lines, start=1))
        )

    async def port_check(self, call: ToolCall) -> ToolResult:
        """Whether the host can open a TCP connection to the target's port."""
        host, target, port = call.needed_host(), call.needed_target(), call.port()
        address = await address_of(target, allow_loopback=self._settings.allow_loopback)
        loop = asyncio.get_running_loop()
        async with self._ssh.connected(host):
            # Timed without the login, which says nothing about the connection asked about.
            started = loop.time()
            state, _, reason = (await self._ssh.check_port(host, address, port)).partition(": ")
            latency_ms = round((loop.time() - started) * 1_000, 1)
        return ToolResult(
            (
                {
                    "check": "tcp",
                    "from": host.name,
                    "to": target.name,
                    "port": port,
                    "result": state,
                    "latency_ms": latency_ms if state == "open" else None,
                    "detail": plain(reason, 200),
                },
            )
        )


def _metric(host: Asset, metric: str, value: float, unit: str, detail: str) -> Record:
    return {"asset": host.name, "metric": metric, "value": value, "unit": unit, "detail": plain(detail, 200)}


def _free(filesystem: Filesystem) -> str:
    return f"{size(filesystem.available_kb)} free of {size(filesystem.size_kb)}"
