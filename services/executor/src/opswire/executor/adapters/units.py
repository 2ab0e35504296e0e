"""The units of a host as its manager sees them: supervisor or systemd."""

from __future__ import annotations

from opswire.contracts.findings import Asset
from opswire.executor.adapters.ssh import CommandResult, Ssh
from opswire.executor.errors import CommandFailedError
from opswire.executor.rules.cells import plain
from opswire.executor.rules.readings import UnitReading, group_reading, read_supervisor, read_systemd
from opswire.executor.rules.tools import Record

NOT_FOUND = 127
SYSTEMD_PROPERTIES = "LoadState,ActiveState,SubState,MainPID,ExecMainStartTimestamp"
UNKNOWN_STATE = "unknown"


class Units:
    """Reads units over one set of SSH connections."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    async def read(self, host: Asset, unit: str, manager: str) -> UnitReading:
        """The unit now; with another `manager` than supervisor or systemd, whichever knows it.

        Raises CommandFailedError where the manager does not answer, and what `Ssh.run` raises.
        """
        reading = None
        if manager != "systemd":
            reading = await self._of_supervisor(host, unit, needed=manager == "supervisor")
        return reading if reading is not None else await self._of_systemd(host, unit)

    async def group(self, host: Asset, group: str) -> list[UnitReading]:
        """The processes of a supervisor group, by name; none where there is no such group."""
        result = await self._ssh.run(host, ["supervisorctl", "status", f"{group}:*"])
        found = [reading for reading in read_supervisor(result.stdout) if reading.unit.startswith(f"{group}:")]
        if not found and "no such" not in result.stdout.casefold():
            raise command_failed("supervisorctl", host, result)
        return sorted(found, key=lambda reading: reading.unit)

    async def _of_supervisor(self, host: Asset, unit: str, *, needed: bool) -> UnitReading | None:
        result = await self._ssh.run(host, ["supervisorctl", "status", unit])
        found = [reading for reading in read_supervisor(result.stdout) if reading.unit.split(":")[-1] == unit]
        found += [reading for reading in read_supervisor(result.stdout) if reading.unit == unit]
        if found:
            return found[0]
        if "no such process" in result.stdout.casefold() or "no such group" in result.stdout.casefold():
            return await self._as_group(host, unit)
        if needed:
            raise command_failed("supervisorctl", host, result)
        return None

    async def _as_group(self, host: Asset, unit: str) -> UnitReading:
        """A group as one unit, without a pid of its own."""
        members = await self.group(host, unit) if ":" not in unit else []
        if not members:
            return UnitReading(unit, UNKNOWN_STATE, None, "no such unit")
        return group_reading(unit, members)

    async def _of_systemd(self, host: Asset, unit: str) -> UnitReading:
        argv = ["systemctl", "show", f"--property={SYSTEMD_PROPERTIES}", "--", unit]
        result = await self._ssh.run(host, argv)
        reading = read_systemd(unit, result.stdout)
        if reading is None:
            raise command_failed("systemctl", host, result)
        return reading


def unit_record(asset: str, check: str, reading: UnitReading) -> Record:
    """A unit as a row of an answer."""
    return {
        "asset": asset,
        "check": plain(check, 200),
        "state": reading.state,
        "pid": reading.pid,
        "detail": plain(reading.detail, 200),
    }


def command_failed(what: str, host: Asset, result: CommandResult) -> CommandFailedError:
    """The error to raise when a command ended in a way that its tool does not expect."""
    if result.exit_status == NOT_FOUND:
        return CommandFailedError(f"{host.name} has no {what}")
    said = plain((result.stderr or result.stdout).strip().replace("\n", " "), 200)
    return CommandFailedError(f"{what} on {host.name} ended with {result.exit_status}: {said or 'no output'}")
