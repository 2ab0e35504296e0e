"""Units under systemd: `systemctl` is a stand-in here, since systemd is not what runs these tests.

It keeps a unit's state in a file and answers what systemd 255 prints for the properties that are asked for.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tool_scene
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import BadArgumentError, UnitNotChangedError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Judgement, ToolCall

SYSTEMCTL = """#!/bin/sh
# A stand-in for systemctl: the unit is what stands behind "--".
state="$(dirname "$0")/../state"
for unit in "$@"; do :; done
[ "$unit" = nginx ] || { printf 'LoadState=not-found\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n'; exit 0; }
case $1 in
  show) [ "$3" = -- ] || exit 9; cat "$state" ;;
  start|restart)
    [ "$2" = -- ] || exit 9
    [ -e "$state.broken" ] && { echo "Job for nginx.service failed." >&2; exit 1; }
    echo x >> "$state.count"
    pid=$((4000 + $(wc -l < "$state.count")))
    printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nMainPID=%s\\n' "$pid" > "$state" ;;
  stop) printf 'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n' > "$state" ;;
  *) exit 9 ;;
esac
"""
NGINX = {"unit": "nginx", "manager": "systemd"}


@pytest.fixture
def state(ssh_host) -> Path:
    (ssh_host.root / "bin").mkdir()
    program = ssh_host.root / "bin" / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    found: Path = ssh_host.root / "state"
    found.write_text("LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=812\n")
    return found


async def test_a_unit_is_restarted_stopped_and_started(ssh_host, drivers: Drivers, state: Path) -> None:
    catalogue, host = packaged_catalogue(), ssh_host.asset()
    restarted = await tool_scene.run(drivers, catalogue, "service.restart", host, **NGINX)
    assert (restarted.records[0]["pid_before"], restarted.records[0]["pid"]) == (812, 4001)
    probe = tool_scene.call(catalogue, "service.verify", host, **NGINX, expected="restarted")
    call = ToolCall(probe.step, probe.context, probe.asset, probe.host, verifies=restarted)
    assert (await drivers.tools["service.verify"](call)).verdict.status is Judgement.PASS
    stopped = await tool_scene.run(drivers, catalogue, "service.stop", host, **NGINX)
    assert stopped.records[0]["state"] == "stopped"
    started = await tool_scene.run(drivers, catalogue, "service.start", host, **NGINX)
    assert started.records[0]["pid"] == 4002
    assert [command for command in ssh_host.commands if "systemctl stop" in command]


async def test_a_unit_that_fails_says_why(ssh_host, drivers: Drivers, state: Path) -> None:
    Path(f"{state}.broken").touch()
    with pytest.raises(UnitNotChangedError, match=r"Job for nginx.service failed"):
        await tool_scene.run(drivers, packaged_catalogue(), "service.restart", ssh_host.asset(), **NGINX)
    other = {"unit": "apache", "manager": "systemd"}
    with pytest.raises(BadArgumentError, match="knows no unit apache"):
        await tool_scene.run(drivers, packaged_catalogue(), "service.restart", ssh_host.asset(), **other)
