"""How `up` and `status` look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opswire.cli.console import write_json
from opswire.cli.state import RunRecord
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_SENTENCES = {
    "ready": "{child} is ready after {seconds:.2f} s",
    "ended": "{child} ended with status {status}; started again in {again_in_s:g} s",
    "restarted": "{child} runs again after {seconds:.2f} s",
    "not started": "{child} could not be started: {reason}",
    "not prepared": "{child} runs again, but: {reason}",
    "silent": "{child} does not answer after {after_s:g} s; it is ended and started again",
    "stuck": "{child} lives and does nothing ({silent_probes} probes unanswered); it is ended and started again",
    "not written": "{path} cannot be written: {reason}",
    "written again": "{path} is written again",
    "fault": "watching {child} failed and goes on: {reason}",
}
_STYLES = {"ended": "yellow", "not started": "red", "not prepared": "red", "silent": "red"} | {
    "stuck": "red",
    "not written": "red",
    "fault": "bold red",
}


class Narrator:
    """Tells people what the supervisor does, one line each; with JSON one compact object a line."""

    def __init__(self, console: Console, as_json: bool) -> None:
        self._console = console
        self._as_json = as_json

    def event(self, event: dict[str, Any]) -> None:
        """One event of the supervisor."""
        if self._as_json:
            return
        sentence = _SENTENCES[event["event"]].format(**event)
        self._console.print(Text(sentence, style=_STYLES.get(event["event"], "dim")))

    def ready(self, record: RunRecord, seconds: float) -> None:
        """Everything answers."""
        if self._as_json:
            write_json(
                {"already_running": False, "ready_after_s": round(seconds, 3), "pid": record.pid, "urls": record.urls}
            )
        else:
            print_ready(self._console, record, seconds)
            self._console.print(Text("Ctrl-C ends all.", style="dim"))

    def ended(self) -> None:
        """Everything is gone."""
        if not self._as_json:
            self._console.print("Ended.")


def print_ready(console: Console, record: RunRecord, seconds: float) -> None:
    """The one line that says so, where things are, and what to try."""
    console.print(Text.assemble(("Opswire is ready", "bold green"), f" after {seconds:.1f} s."))
    console.print(Text(f"  broker {record.urls['nats']} · services {record.urls['intent']} and following", style="dim"))
    console.print(Text("  which stage makes it slow: opswire latency page", style="dim"))
    console.print(Text("  try: opswire ask 'what can you do?'", style="dim"))


def print_status(console: Console, record: RunRecord, rows: list[dict[str, Any]]) -> None:
    """A table of the children and the sum of the services' memory."""
    table = Table(box=None, pad_edge=False)
    for title in ("process", "state", "pid", "uptime", "restarts", "memory", "ports"):
        table.add_column(title, justify="right" if title in {"pid", "restarts", "memory", "uptime"} else "left")
    for row in rows:
        state = "ready" if row["ready"] else "not ready" if row["alive"] else "ended"
        memory = "" if row["memory_mb"] is None else f"{row['memory_mb']:.0f} MB"
        uptime = "" if row["uptime_s"] is None else _uptime(row["uptime_s"])
        ports = " ".join(f"{name} {port}" for name, port in row["ports"].items())
        table.add_row(
            row["name"],
            Text(state, style="green" if row["ready"] else "red"),
            str(row["pid"]),
            uptime,
            str(row["restarts"]),
            memory,
            ports,
        )
    console.print(table)
    console.print(Text(f"supervisor pid {record.pid}, {record.phase}", style="dim"))


def _uptime(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
