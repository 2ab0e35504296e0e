"""Tools that start, stop, restart and scale units, and that look whether it was done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from opswire.contracts.findings import Asset
from opswire.executor.adapters.http import Http
from opswire.executor.adapters.remote_processes import Ended, RemoteProcesses, looking_after_a_change
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.ssh import CommandResult, Ssh
from opswire.executor.adapters.tcp import Tcp
from opswire.executor.adapters.units import UNKNOWN_STATE, Units, command_failed
from opswire.executor.errors import BadArgumentError, StateChangedError, UnitNotChangedError
from opswire.executor.rules.cells import counted, plain
from opswire.executor.rules.readings import UnitReading
from opswire.executor.rules.targets import HTTP_PROTOCOLS, port_of, protocol_of
from opswire.executor.rules.tools import Judgement, Tool, ToolCall, ToolResult, Verdict

ALIVE = frozenset({"running", "active"})
DEAD = frozenset({"stopped", "exited", "failed", "inactive", "dead"})
OUTPUT_BYTES_MAX = 64 * 1024
PAUSE_S = 0.2
# A verification says `fail` itself, before its step's time is up.
VERIFY_SHARE = 0.8


class ServiceTools:
    """Tools over one set of SSH connections."""

    def __init__(self, ssh: Ssh, settings: DriverSettings) -> None:
        self._processes = RemoteProcesses(ssh)
        self._units = Units(ssh)
        self._http = Http(settings)
        self._tcp = Tcp(settings)

    def tools(self) -> dict[str, Tool]:
        """The tools by name."""
        return {
            "service.start": self.start,
            "service.stop": self.stop,
            "service.restart": self.restart,
            "service.scale": self.scale,
            "service.verify": self.verify,
            "service.verify_scale": self.verify_scale,
        }

    async def start(self, call: ToolCall) -> ToolResult:
        """Start a unit; one that runs stays as it is. Raises UnitNotChangedError when it does not run afterwards."""
        return await self._change(call, "start", lambda _, now: now.state in ALIVE)

    async def stop(self, call: ToolCall) -> ToolResult:
        """Stop a unit; one that does not run stays as it is. Raises UnitNotChangedError when it runs afterwards."""
        return await self._change(call, "stop", lambda _, now: now.state in DEAD and now.pid is None)

    async def restart(self, call: ToolCall) -> ToolResult:
        """Restart a unit. Raises UnitNotChangedError when it does not run with another pid afterwards."""
        return await self._change(call, "restart", lambda before, now: now.state in ALIVE and now.pid != before.pid)

    async def _change(self, call: ToolCall, verb: str, done: Callable[[UnitReading, UnitReading], bool]) -> ToolResult:
        host, unit, manager = call.needed_host(), call.text("unit"), call.text("manager")
        before = await self._units.read(host, unit, manager)
        if before.state == UNKNOWN_STATE:
            raise BadArgumentError(f"{manager} of {host.name} knows no unit {unit}")
        if before.state in ALIVE and before.pid is None and manager == "supervisor":
            raise BadArgumentError(f"{unit} on {host.name} is a group; name one of its processes, or scale it")
        if verb != "restart" and done(before, before):
            return _changed(call, unit, verb, before, before, f"it was {before.state} already")
        argv = ["supervisorctl", verb, before.unit]
        if manager == "systemd":
            argv = ["systemctl", verb, "--", unit]
        ended = await self._processes.run(host, argv, OUTPUT_BYTES_MAX, call.on_output)
        with looking_after_a_change(verb):
            now = await self._settled(
                lambda: self._units.read(host, unit, manager), lambda now: done(before, now), ended
            )
        if not done(before, now):
            said = plain(" ".join((ended.stdout + ended.stderr).split()), 200)
            raise UnitNotChangedError(f"{unit} on {host.name} is {now.state} after {verb}: {said or now.detail}")
        return _changed(call, unit, verb, before, now, now.detail)

    async def _settled(
        self, read: Callable[[], Awaitable[UnitReading]], done: Callable[[UnitReading], bool], ended: Ended
    ) -> UnitReading:
        """The unit when it is as wanted or has come to rest; a manager that failed is not waited for."""
        now = await read()
        while ended.exit_status == 0 and not done(now) and now.state not in DEAD:
            await asyncio.sleep(PAUSE_S)
            now = await read()
        return now

    async def scale(self, call: ToolCall) -> ToolResult:
        """Start or stop processes of a group until `replicas` run. Raises BadArgumentError, StateChangedError."""
        host, group, wanted = call.needed_host(), call.text("group"), call.number("replicas")
        members = await self._units.group(host, group)
        if not members:
            raise BadArgumentError(f"supervisor of {host.name} knows no group {group}")
        if not 1 <= wanted <= len(members):
            raise BadArgumentError(f"{group} on {host.name} has places for 1 to {len(members)} processes, not {wanted}")
        alive = [member for member in members if _lives(member)]
        expected = call.optional_number("replicas_before")
        if expected is not None and expected != len(alive):
            raise StateChangedError(f"{len(alive)} processes of {group} run on {host.name}, not {expected}")
        idle = [member for member in members if not _lives(member)]
        verb, chosen = ("start", idle[: wanted - len(alive)]) if wanted > len(alive) else ("stop", alive[wanted:])
        if chosen:
            argv = ["supervisorctl", verb, *(member.unit for member in chosen)]
            ended = await self._processes.run(host, argv, OUTPUT_BYTES_MAX, call.on_output)
            with looking_after_a_change(verb):
                members = await self._units.group(host, group)
            if sum(map(_lives, members)) != wanted:
                result = CommandResult(ended.exit_status, ended.stdout, ended.stderr)
                raise UnitNotChangedError(str(command_failed("supervisorctl", host, result)))
        return ToolResult(
            (
                {
                    "asset": call.needed_asset().name,
                    "group": group,
                    "replicas_before": len(alive),
                    "replicas": wanted,
                    "changed": ", ".join(member.unit for member in chosen),
                    "pids": ", ".join(str(member.pid) for member in members if member.pid is not None),
                },
            )
        )

    async def verify(self, call: ToolCall) -> ToolResult:
        """`pass` when the unit is as expected, and answers where the inventory knows its port; else `fail`.

        `unknown` after a restart that nobody can tell the earlier pid of.
        """
        host, unit, expected = call.needed_host(), call.text("unit"), call.text("expected")
        earlier = _earlier_pid(call)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + call.step.timeout_ms / 1_000 * VERIFY_SHARE
        while True:
            reading = await self._units.read(host, unit, call.text("manager"))
            verdict = _judged(reading, expected, earlier)
            if verdict.status is Judgement.PASS and expected != "stopped":
                verdict = await self._answering(call.needed_asset(), verdict)
            if verdict.status is not Judgement.FAIL or loop.time() + PAUSE_S > ends_at:
                return _verified(call, f"unit {unit}", verdict)
            await asyncio.sleep(PAUSE_S)

    async def _answering(self, asset: Asset, verdict: Verdict) -> Verdict:
        port = port_of(asset)
        if port is None or not asset.address:
            return verdict
        protocol = protocol_of(asset)
        if protocol in HTTP_PROTOCOLS:
            path = asset.attributes.get("health_path") or "/"
            result, detail = await self._http.probe(asset, protocol, port, path)
            answers = result in ("healthy", "unhealthy", "redirects")
        else:
            result, detail = await self._tcp.probe(asset, port)
            answers = result == "open"
        said = f"{verdict.detail}, port {port} {result}" + (f" ({detail})" if detail else "")
        return Verdict(Judgement.PASS if answers else Judgement.FAIL, said)

    async def verify_scale(self, call: ToolCall) -> ToolResult:
        """`pass` when exactly as many processes of the group run as expected."""
        group, wanted = call.text("group"), call.number("replicas")
        members = await self._units.group(call.needed_host(), group)
        pids = {member.pid for member in members if member.state in ALIVE and member.pid is not None}
        status = Judgement.PASS if len(pids) == wanted else Judgement.FAIL
        detail = f"{counted(len(pids), 'process', 'processes')} of {group} run, {wanted} wanted"
        return _verified(call, f"group {group}", Verdict(status, detail))


def _lives(reading: UnitReading) -> bool:
    return reading.state in ALIVE or reading.state in ("starting", "failing to start")


def _judged(reading: UnitReading, expected: str, earlier: int | None) -> Verdict:
    said = f"{reading.unit} is {reading.state}" + (f" with pid {reading.pid}" if reading.pid else "")
    if expected == "stopped":
        gone = reading.state in DEAD and reading.pid is None
        return Verdict(Judgement.PASS if gone else Judgement.FAIL, said)
    if reading.state not in ALIVE or reading.pid is None:
        return Verdict(Judgement.FAIL, said)
    if expected == "running":
        return Verdict(Judgement.PASS, said)
    if earlier is None:
        return Verdict(Judgement.UNKNOWN, f"{said} ({reading.detail}); which pid it had before is not known")
    if reading.pid == earlier:
        return Verdict(Judgement.FAIL, f"{said}, as before")
    return Verdict(Judgement.PASS, f"{said}, before {earlier or 'none'}")


def _earlier_pid(call: ToolCall) -> int | None:
    """The pid before the change, 0 where nothing ran; None where the change's result is lost."""
    if call.verifies is None:
        return None
    pids = [record.get("pid_before") or 0 for record in call.verifies.records if "pid_before" in record]
    return next((pid for pid in pids if isinstance(pid, int)), None)


def _changed(call: ToolCall, unit: str, verb: str, before: UnitReading, now: UnitReading, detail: str) -> ToolResult:
    return ToolResult(
        (
            {
                "asset": call.needed_asset().name,
                "check": f"{verb} {plain(unit, 128)}",
                "state_before": before.state,
                "pid_before": before.pid,
                "state": now.state,
                "pid": now.pid,
                "detail": plain(detail, 200),
            },
        )
    )


def _verified(call: ToolCall, check: str, verdict: Verdict) -> ToolResult:
    record = {
        "asset": call.needed_asset().name,
        "check": plain(check, 200),
        "result": verdict.status.value,
        "detail": plain(verdict.detail, 300),
    }
    return ToolResult((record,), verdict=verdict)
