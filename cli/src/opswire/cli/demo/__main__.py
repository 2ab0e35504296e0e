"""Runs the demo from nothing to the end: a fresh system with the lab, asked, changed, killed, and ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path

from opswire.cli.background import start_behind, take_down
from opswire.cli.console import complain, terminal
from opswire.cli.demo.approving import APPROVER, ask_and_approve, know_approver, verify_audit
from opswire.cli.demo.steps import Demo, DemoError, Question
from opswire.cli.errors import CommandError
from opswire.cli.stack import Wishes
from opswire.cli.state import StateDir

MARKS = ("lock", "people.yaml")
"""Files by which a state directory is known: the first of a run, and the first of a demo."""
NEXT = """
What to try next
  .venv/bin/opswire up --lab                            start the system and the lab, Ctrl-C ends both
  .venv/bin/opswire ask "why is checkout slow on web-01?"
  .venv/bin/opswire ask "cat /etc/motd on web-01"
  .venv/bin/opswire trace REQUEST_ID                    where every millisecond went; of the demo's requests:
                                                        --state-dir {state_dir}
  docs/how-to/approve-a-change.md                       change a host: keys, approvals, the policy
  .venv/bin/opswire assets import YOUR_INVENTORY        NetBox CSV, Ansible INI or our YAML
  docs/how-to/add-a-message.md                          change the system itself
"""


def port_of(state: StateDir, host: str, service: str) -> int:
    """The port of a lab service. Raises KeyError when the lab has none of that name."""
    kept = json.loads((state.path / "lab" / "lab.json").read_text())
    return int(kept["hosts"][host][service])


async def play(demo: Demo, state: StateDir) -> None:
    """The steps. Raises DemoError at the first that goes otherwise."""
    demo.say("Five requests of different kinds")
    await demo.ask(Question("list all servers in production", mentions=["web-01", "db-01"]))
    await demo.ask(Question("is checkout running on web-01?", mentions=["running"]))
    await demo.ask(Question("show the last 5 lines of the checkout log on web-01"))
    port = port_of(state, "db-01", "orders-cache")
    await demo.ask(Question(f"can web-01 reach db-01 on port {port}?", mentions=["open"]))
    await demo.ask(Question("book me a table for two", "rejected"))
    demo.say("The first again: what it means comes from the cache now, and so do its assets")
    await demo.ask(Question("list all servers in production", intent_source="cache", mentions=["team-shop"]))
    demo.say("An asset changes; the same question is answered fresh")
    await demo.change_owner("web-01", "team-night")
    await demo.ask(Question("list all servers in production", intent_source="cache", mentions=["team-night"]))
    demo.say("The executor is killed in the middle of a request; the one outcome still arrives")
    await demo.ask_and_kill(Question("is checkout running on web-01?", mentions=["running"]))
    demo.say("A real Alertmanager payload as an event")
    await demo.publish_alert()
    demo.say("A change: planned, shown to somebody else, signed, run once, verified by another pid")
    restart = Question("restart checkout on web-02", mentions=["running with pid", f"Approved by {APPROVER}"])
    await ask_and_approve(demo, restart)
    demo.say("Everything that happened is in the audit trail, and nobody has changed it")
    await verify_audit(demo)


def run(state_dir: Path, keep: bool) -> float:
    """Start, play, end; answers the seconds it took."""
    began = time.monotonic()
    state = StateDir(state_dir)
    empty(state)
    state.prepare()
    know_approver(state)
    os.environ.setdefault("OPSWIRE_ANCHOR_INTERVAL_S", "1")  # it is a short demo
    console = terminal()
    console.print("Starting NATS, Valkey, four services and a lab of three hosts ...")
    _, seconds = start_behind(state, Wishes(lab=True))
    console.print(f"Ready after {seconds:.1f} s.")
    demo = Demo(state)
    try:
        asyncio.run(play(demo, state))
    finally:
        if not keep:
            take_down(state)
    took_s = time.monotonic() - began
    console.print(
        f"\nAll {demo.asked} requests ended in one outcome each, and every stage table adds up: {took_s:.0f} s."
    )
    console.print(NEXT.format(state_dir=state_dir), soft_wrap=True, markup=False)
    return took_s


def empty(state: StateDir) -> None:
    """Remove what an earlier demo left. Raises CommandError for a folder that holds anything else."""
    if not state.path.exists():
        return
    is_ours = any((state.path / name).exists() for name in MARKS)
    if not is_ours and any(state.path.iterdir()):
        raise CommandError(f"{state.path} is no state directory, and would be emptied", "--state-dir of a new folder")
    take_down_if_up(state)
    shutil.rmtree(state.path)


def take_down_if_up(state: StateDir) -> None:
    """End what an earlier demo left running."""
    record = state.read_run()
    if record is not None and record.alive:
        take_down(state)


def main() -> int:
    """The command: exit status 1 when anything went otherwise than told."""
    parser = argparse.ArgumentParser(prog="./just demo", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=Path(".opswire/demo"), help="emptied first")
    parser.add_argument("--keep", action="store_true", help="leave the system running at the end")
    options = parser.parse_args()
    try:
        run(options.state_dir, options.keep)
    except DemoError as error:
        complain(error, as_json=False)
        return 1
    except CommandError as error:
        complain(error, as_json=False)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
