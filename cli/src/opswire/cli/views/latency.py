"""Tables over many requests for a terminal: the stage table, what changed, the targets."""

from __future__ import annotations

from collections.abc import Sequence

from opswire.cli.views.plain import counted, harmless
from opswire.cli.views.rows import Rows
from opswire.ledger.many.common import Common
from opswire.ledger.many.difference import MIX, Difference, Part
from opswire.ledger.many.slo import TargetState
from opswire.ledger.many.stage_lines import OWN_PERCENTILES, Change, StageLine, StageTable
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_VERDICT_STYLES = {"page": "bold red", "broken": "red", "ticket": "yellow", "ok": "green", "no data": "dim"}
_UNTRUSTED_WARNING_SHARE = 0.05
_KEY_CHARACTERS = 44


def render_table(table: StageTable, title: str, reference_title: str | None) -> RenderableType:
    """The stage table, below what must be known to believe it; under it what moved, and a request to look at."""
    parts: list[RenderableType] = [_head(table, title), _trust(table)]
    bands = [f"P{band.low:g}-{band.high:g}" for band in table.bands]
    rows = [_cells(line) for line in table.lines]
    rows.append(["together", "100.0 %", "", "", "", "", *(_ms(band.mean_ns) for band in table.bands)])
    parts.append(_figures(["stage", "share", "in", "own P50", "P95", "P99", *bands], rows))
    parts.append(Text(f"Times in ms; the bands are means by end-to-end time. {OWN_PERCENTILES}", style="dim"))
    if table.change is not None and reference_title is not None and table.reference_requests:
        parts.append(Text(f"\nchange of the means against {reference_title}, n {table.reference_requests:,}"))
    elif reference_title is not None:
        parts.append(Text(f"\nno request finished in the reference window {reference_title}", style="dim"))
    else:
        parts.append(Text("\nthe requests with most of each stage"))
    parts += [_look_at(line) for line in table.lines]
    if table.change is not None:
        parts.append(Text(f"{'together':<17}{_change(table.change)}", style="bold"))
    for name, band in zip(bands, table.bands, strict=True):
        parts.append(Text(f"typical of {name}: {_key(band.example_key)}", style="dim"))
    return Group(*parts)


def render_difference(found: Difference, before: str, after: str) -> RenderableType:
    """What changed from one window to another, the first cause first."""
    head = Text.assemble(("what changed", "bold"), f"  A {before}, n {found.requests_before:,}\n")
    head.append(f"              B {after}, n {found.requests_after:,}\n")
    head.append(f"mean {_ms(found.mean_before_ns)} -> {_ms(found.mean_after_ns)} ms: ")
    head.append(f"{_signed(found.change_ns)} ms {_interval(found.interval)}", style="bold")
    head.append(f" = mix {_signed(found.mix_ns)} + within {_signed(found.within_ns)}")
    parts: list[RenderableType] = [head, _verdict(found)]
    columns = ["part of the change", "ms", "95 % interval", "A mean", "B mean", ""]
    parts.append(_figures(columns, [_part_cells(part) for part in found.parts]))
    for part in found.causes or found.parts[:1]:
        parts.append(Text(f"look at {_part_name(part.name)}: {_key(part.example_key)}", style="dim"))
    moved = [route for route in found.routes if abs(route.mix_ns) >= 0.05 * max(1.0, abs(found.change_ns))]
    for route in moved if len(found.routes) > 1 else ():
        shares = f"{100 * route.share_before:.1f} % -> {100 * route.share_after:.1f} % of requests"
        name = harmless(route.route) or "(none)"
        parts.append(Text(f"route {name}: {shares}, mix {_signed(route.mix_ns)} ms", style="dim"))
    return Group(*parts, *_common(found.common))


def render_targets(states: Sequence[TargetState]) -> RenderableType:
    """A line a target; what burns first."""
    windows = [f"burn {burn.window}" for burn in states[0].burns] if states else []
    rows: list[list[Text]] = []
    for state in states:
        target = state.target
        words = [
            harmless(target.name),
            harmless(target.route),
            "-" if state.good_share is None else f"{100 * state.good_share:.2f} %",
            f"{100 * target.objective:g} % in {target.latency_ms:g} ms",
            f"{state.requests:,.0f}",
            f"{state.bad:,.0f}",
            "-" if state.budget_left is None else f"{100 * state.budget_left:.1f} %",
            *("-" if burn.rate is None else f"{burn.rate:.1f}" for burn in state.burns),
        ]
        rows.append([*(Text(word) for word in words), Text(state.verdict, style=_VERDICT_STYLES[state.verdict])])
    columns = ["target", "route", "good", "wanted", "n", "bad", "budget left", *windows, "verdict"]
    below = frozenset({"wanted", "budget left", *windows})
    table = Rows(columns, rows, below, right=frozenset(columns[2:]), header_style="dim")
    legend = "Burn 1 uses the budget up in exactly its window. page: 14.4 over 1h and 5m; ticket: 6 over 6h and 30m."
    return Group(table, Text(legend, style="dim"))


def _head(table: StageTable, title: str) -> Text:
    head = Text.assemble(("latency", "bold"), f"  {title}  ", (counted(table.requests, "request"), "bold"))
    head.append(f"  mean {_ms(table.mean_ns)} ms")
    if table.e2e_ns is not None:
        head.append("  P50 {}  P95 {}  P99 {}".format(*(_ms(ns) for ns in table.e2e_ns)))
    return head


def _trust(table: StageTable) -> Text:
    share = table.untrusted_share
    words = f"{100 * share:.1f} % of the requests are untrusted (unexplained or repaired time of 5 % or more)"
    words += f"; unattributed {100 * table.unattributed_share:.2f} % of the time"
    if table.unfinished:
        words += f"; {table.unfinished:,} unfinished left out"
    if table.sampled_share < 1:
        words += f"; an even {100 * table.sampled_share:.1f} % of the requests looked at"
    if len(table.engine_versions) > 1:
        words += "; booked by engines of different versions, whose figures do not compare"
    return Text(words, style="yellow" if share > _UNTRUSTED_WARNING_SHARE else "dim")


def _figures(names: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    """A table whose figures are never cut: on a narrow terminal the names in its first column are."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        needed = max(len(name), *(len(row[place]) for row in rows)) if rows else len(name)
        table.add_column(
            name,
            justify="right" if place else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=needed if place else 8,
        )
    for row in rows:
        table.add_row(*row)
    return table


def _cells(line: StageLine) -> list[str | Text]:
    most = max(line.band_means_ns, default=0.0)
    return [
        Text(line.stage, style="yellow" if line.stage == "unattributed" else ""),
        f"{100 * line.share:.1f} %",
        f"{100 * line.present:.0f} %",
        *(_ms(ns) for ns in line.own_ns),
        *(Text(_ms(ns), style="bold" if ns == most else "") for ns in line.band_means_ns),
    ]


def _look_at(line: StageLine) -> Text:
    words = Text(f"{line.stage:<17}")
    if line.change is not None:
        style = ("red" if line.change.ns > 0 else "green") if line.change.is_certain else "dim"
        words.append(f"{_change(line.change):<28}", style=style)
    return words.append(f"look at {_key(line.example_key)}", style="dim")


def _change(change: Change | None) -> str:
    return "" if change is None else f"{_signed(change.ns)} {_interval(change.interval)}"


def _verdict(found: Difference) -> Text:
    if not found.requests_before or not found.requests_after:
        return Text("no cause can be named: one of the windows is empty", style="yellow")
    causes = found.causes
    if not causes:
        few = min(found.requests_before, found.requests_after) < 5
        reason = "too few requests" if few else "every interval holds 0, or is no more than chance among so many parts"
        return Text(f"no cause is named: {reason}", style="yellow")
    first = causes[0]
    words = Text.assemble(
        "first cause: ", (_part_name(first.name), "bold red" if first.change_ns > 0 else "bold green")
    )
    words.append(f" {_signed(first.change_ns)} ms {_interval(first.interval)}")
    if not found.is_certain:
        words.append("; the mean as a whole moved no more than chance would have it", style="dim")
    return words


def _part_cells(part: Part) -> list[str | Text]:
    style = ("red" if part.change_ns > 0 else "green") if part.is_cause else "dim"
    return [
        Text(_part_name(part.name), style="" if part.is_cause else "dim"),
        Text(_signed(part.change_ns), style=style),
        _interval(part.interval),
        _ms(part.before_ns),
        _ms(part.after_ns),
        Text("cause" if part.is_cause else "chance", style=style),
    ]


def _part_name(name: str) -> str:
    return "mix of routes" if name == MIX else harmless(name)


def _common(found: Sequence[Common]) -> list[RenderableType]:
    if not found:
        return [Text("The slow requests of B carry no value certainly more often than the others.", style="dim")]
    first = found[0]
    head = f"\nmore often among the {first.slow:,} slow requests of B (over {_ms(first.slower_than_ns)} ms, A's P95)"
    lines: list[RenderableType] = [Text(head + f" than among its {first.others:,} others:")]
    for one in found:
        low, high = 100 * one.interval.low, 100 * one.interval.high
        words = f"  {harmless(one.name)} = {harmless(one.value)}"
        shares = f"  {100 * one.share_slow:.0f} % against {100 * one.share_others:.0f} %"
        lines.append(
            Text.assemble(
                (words, "bold"), shares, (f"  [{low:+.0f}, {high:+.0f}] points  {_key(one.example_key)}", "dim")
            )
        )
    return lines


def _interval(interval: object) -> str:
    low, high = getattr(interval, "low", 0.0), getattr(interval, "high", 0.0)
    if low == float("-inf"):
        return "[too few to say]"
    return f"[{_signed(low)}, {_signed(high)}]"


def _ms(nanoseconds: float) -> str:
    milliseconds = nanoseconds / 1e6
    return f"{milliseconds:,.0f}" if abs(milliseconds) >= 10_000 else f"{milliseconds:,.2f}"


def _signed(nanoseconds: float) -> str:
    milliseconds = nanoseconds / 1e6
    return f"{milliseconds:+,.0f}" if abs(milliseconds) >= 10_000 else f"{milliseconds:+,.2f}"


def _key(request_key: str) -> str:
    # What `opswire trace` takes: the source of this command line may be left out.
    text = harmless(request_key)
    return (text.removeprefix("cli/"))[:_KEY_CHARACTERS]
