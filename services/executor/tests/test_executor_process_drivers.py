"""Commands that change something: ended with their whole group; PowerShell's quoting; programs of this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path

import pytest
import tool_scene
from opswire.chassis.testing.waiting import until
from opswire.executor.adapters.remote_processes import RemoteProcesses
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.adapters.windows import encoded, quoted, script_of
from opswire.executor.errors import BadArgumentError, CommandFailedError, LocalRefusedError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Judgement

ARGUMENT = {"word": tool_scene.parameter(dash=True, multiline=True)}


async def gone(pid: int) -> None:
    """Return when no process of this pid lives; a zombie of the test's own server does not."""
    await until(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def lasting(ssh_host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does as OpenSSH: commands outlive their channel, and nobody passes a signal on."""
    ssh_host.outlives = True


STUBBORN = (
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = os.fork()\n"
    "if child: print(os.getpid(), child, flush=True)\n"
    "time.sleep(600)\n"
)


async def test_at_the_deadline_the_whole_group_is_really_ended(ssh_host, drivers: Drivers, lasting: None) -> None:
    pids: list[int] = []
    begun = asyncio.Event()

    def hear(text: str) -> None:
        pids.extend(int(word) for word in text.split())
        begun.set()

    processes = RemoteProcesses(drivers.ssh)
    argv = [sys.executable, "-c", STUBBORN]
    running = asyncio.create_task(processes.run(ssh_host.asset(), argv, 1_000, hear))
    await asyncio.wait_for(begun.wait(), 20)
    assert len(pids) == 2
    assert all(map(_lives, pids))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # Ended before the cancelled call came back: nothing is left to wait for but the kernel's own pace.
    for pid in pids:
        await gone(pid)


async def test_a_command_that_is_cancelled_while_it_begins_is_ended_too(
    ssh_host, drivers: Drivers, lasting: None
) -> None:
    running = asyncio.create_task(RemoteProcesses(drivers.ssh).run(ssh_host.asset(), ["sleep", "600"], 1_000))
    await asyncio.wait_for(ssh_host.begun.wait(), 20)
    running.cancel()  # the host runs it, and has not told us its pid yet, or just has
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(ssh_host.pids[0])


async def test_without_our_kill_the_command_would_live_on(ssh_host, drivers: Drivers, lasting: None) -> None:
    """What the test above stands on: this server ends nothing by itself."""
    processes = RemoteProcesses(drivers.ssh)
    begun, pids = asyncio.Event(), []

    def hear(text: str) -> None:
        pids.append(int(text.split()[0]))
        begun.set()

    processes._end = lambda host, group: asyncio.sleep(0)  # type: ignore[method-assign]
    running = asyncio.create_task(processes.run(ssh_host.asset(), [sys.executable, "-c", STUBBORN], 1_000, hear))
    await asyncio.wait_for(begun.wait(), 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert _lives(pids[0])
    os.killpg(pids[0], 9)


async def test_a_command_that_prints_a_gigabyte_is_read_and_left_out(ssh_host, drivers: Drivers) -> None:
    processes = RemoteProcesses(drivers.ssh)
    ended = await processes.run(ssh_host.asset(), ["head", "-c", "30000000", "/dev/zero"], 1_000)
    assert (ended.exit_status, len(ended.stdout), ended.cut) == (0, 1_000, True)


ATTACKS = [
    "; touch canary",
    "$(touch canary)",
    "`touch canary`",
    "x\ntouch canary",
    "&& touch canary",
    "| touch canary",
    "'; touch canary; '",
    '"; touch canary; "',
    "-oProxyCommand=touch canary",
    "LD_PRELOAD=/canary.so",
    "*",
    "~root",
    "\\",
    "${IFS}",
    "'\"'\"'",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_argument_of_a_described_command_is_one_word(ssh_host, drivers: Drivers, attack: str) -> None:
    driver = {"name": "ssh.command", "argv": ["printf", "[%s]\\n", "{word}"]}
    catalogue = tool_scene.catalogue(tool_scene.tool("team.say", driver, parameters=ARGUMENT))
    found = await tool_scene.run(drivers, catalogue, "team.say", ssh_host.asset(), word=attack)
    assert "\n".join(str(record["line"]) for record in found.records) == f"[{attack}]"
    assert not (ssh_host.root / "canary").exists()


async def test_a_described_probe_says_pass_or_fail(ssh_host, drivers: Drivers) -> None:
    driver = {"name": "ssh.command", "argv": ["echo", "{word}"], "expect": "frozen"}
    catalogue = tool_scene.catalogue(tool_scene.tool("team.probe", driver, parameters=ARGUMENT))
    for word, status in (("frozen", Judgement.PASS), ("open", Judgement.FAIL)):
        found = await tool_scene.run(drivers, catalogue, "team.probe", ssh_host.asset(), word=word)
        assert found.verdict.status is status


POWERSHELL = """#!{python}
# A stand-in for PowerShell, which cannot run here: it takes the command out of -EncodedCommand and splits it by
# PowerShell's rules for texts in single quotes, written anew, and shows the words. It runs nothing.
import base64, json, sys
assert sys.argv[1:-1] == ["-NoProfile", "-NonInteractive", "-EncodedCommand"], sys.argv
script = base64.b64decode(sys.argv[-1]).decode("utf-16-le")
line = script.partition("& ")[2]
quotes, words, word, inside, place = "'\\u2018\\u2019\\u201a\\u201b", [], None, False, 0
while place < len(line):
    one = line[place]
    if inside:
        if one in quotes and line[place + 1 : place + 2] in tuple(quotes):
            word += one
            place += 1
        elif one in quotes:
            inside = False
        else:
            word += one
    elif one in quotes:
        word, inside = word or "", True
    elif one == " ":
        words, word = words + ([word] if word is not None else []), None
    else:
        assert one not in ";&$`(){{}}#\\n\\r\\"", f"syntax outside of a text: {{one!r}}"
        word = (word or "") + one
    place += 1
assert not inside, "a text is not ended"
words += [word] if word is not None else []
if words[-3:-1] == ["Select-Object", "-ExpandProperty"]:
    print("Running")
else:
    print(json.dumps(words))
"""


@pytest.fixture
def windows(ssh_host):
    (ssh_host.root / "bin").mkdir()
    program = ssh_host.root / "bin" / "powershell"
    program.write_text(POWERSHELL.format(python=sys.executable))
    program.chmod(0o755)
    return ssh_host.asset("win-01")


@pytest.mark.parametrize(
    "attack", [*ATTACKS, "’; Stop-Computer; ‘", "‚‛", "'''", "a`$b", "$env:PATH", "@(1)", "", " x "]
)
async def test_an_argument_of_powershell_is_one_word(windows, drivers: Drivers, attack: str) -> None:
    driver = {"name": "windows.command", "argv": ["Get-Item", "-Path", "{word}", "-Force"]}
    catalogue = tool_scene.catalogue(tool_scene.tool("win.item", driver, parameters=ARGUMENT))
    found = await tool_scene.run(drivers, catalogue, "win.item", windows, word=attack)
    assert json.loads(str(found.records[0]["line"])) == ["Get-Item", "-Path", attack, "-Force"]


async def test_a_windows_service_is_looked_at(windows, drivers: Drivers) -> None:
    found = await tool_scene.run(drivers, packaged_catalogue(), "windows.verify_running", windows, service="Spooler")
    assert found.verdict.status is Judgement.PASS
    for bad in ("Spooler; Stop-Computer", "-Name", "*"):
        with pytest.raises(BadArgumentError):
            await tool_scene.run(drivers, packaged_catalogue(), "windows.service_status", windows, service=bad)


def test_powershell_quotes() -> None:
    assert quoted("it's ’so‘") == "'it''s ’’so‘‘'"
    script = script_of(["Get-Service", "-Name", "{name}"], {"name": "-Force"})
    assert script.endswith("& 'Get-Service' -Name '-Force'")
    assert base64.b64decode(encoded("é")).decode("utf-16-le") == "é"
    with pytest.raises(BadArgumentError):
        quoted("a\0b")
    with pytest.raises(BadArgumentError):
        encoded("x" * 40_000)


LOCAL = tool_scene.catalogue(
    tool_scene.tool("local.say", {"name": "local.command", "argv": ["printf", "%s", "{word}"]}, parameters=ARGUMENT),
    tool_scene.tool("local.fail", {"name": "local.command", "argv": ["sh", "-c", "env; exit 3"]}),
    tool_scene.tool(
        "local.wait",
        {"name": "local.command", "argv": ["sh", "-c", "sleep 600 & echo $! > {word}; wait"]},
        parameters=ARGUMENT,
    ),
)


async def test_programs_of_this_machine_run_in_the_lab_alone(
    drivers: Drivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Drivers(DriverSettings(tmp_path)) as outside:
        with pytest.raises(LocalRefusedError) as caught:
            await tool_scene.run(outside, LOCAL, "local.say", None, word="x")
        assert caught.value.code == "local_refused"
    found = await tool_scene.run(drivers, LOCAL, "local.say", None, word="$(touch canary); x")
    assert found.records == ({"line": "$(touch canary); x"},)
    monkeypatch.setenv("OPSWIRE_HTTP_TOKEN", "canary-of-the-executor")
    with pytest.raises(CommandFailedError, match="ended with 3") as failed:
        await tool_scene.run(drivers, LOCAL, "local.fail", None)
    assert "canary" not in str(failed.value)


async def test_a_program_of_this_machine_ends_with_its_call(drivers: Drivers, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    running = asyncio.create_task(tool_scene.run(drivers, LOCAL, "local.wait", None, word=str(told)))
    await until(lambda: told.exists() and bool(told.read_text().strip()))
    pid = int(told.read_text())
    assert _lives(pid)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(pid)
