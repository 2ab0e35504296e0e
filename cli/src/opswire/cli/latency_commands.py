"""What the sub-commands of `latency` do."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from opswire.cli.console import write_json
from opswire.cli.errors import CommandError, UsageError
from opswire.cli.latency import Looked, caught_up, look, open_rows, refuse_empty, title_of, trace_store, window_as_json
from opswire.cli.state import StateDir
from opswire.ledger.many.difference import difference
from opswire.ledger.many.plain import difference_as_json, plain, table_as_json
from opswire.ledger.many.sample import on_route, read_sample
from opswire.ledger.many.slo import DEFAULT_TARGETS, Target, TargetsError, longest_window_ns, read_targets, states_of
from opswire.ledger.many.stage_lines import stage_table
from opswire.ledger.rows.store import RowStore

if TYPE_CHECKING:
    from rich.console import Console


def show_table(
    state_dir: Path,
    window: str,
    against: str | None,
    route: str | None,
    html: Path | None,
    console: Console,
    as_json: bool,
) -> None:
    """Print the stage table of a window, or write the page with it. Raises CommandError."""
    with caught_up(StateDir(state_dir)) as rows:
        now_ns = time.time_ns()
        looked = look(rows, window, route, now_ns)
        reference = _reference(rows, looked, against, route, now_ns)
        refuse_empty(rows, looked)
        table = stage_table(looked.sample, None if reference is None else reference.sample)
        if html is not None:
            _export(StateDir(state_dir), html, rows, (reference, looked), route, console, as_json)
        elif as_json:
            found = {"window": window_as_json(looked), "route": route, **table_as_json(table)}
            write_json(found | {"reference": None if reference is None else window_as_json(reference)})
        else:
            from opswire.cli.views.latency import render_table

            console.print(render_table(table, looked.title, None if reference is None else reference.title))


def _reference(rows: RowStore, looked: Looked, against: str | None, route: str | None, now_ns: int) -> Looked | None:
    if against is not None:
        return look(rows, against, route, now_ns)
    return _before(rows, looked, route)


def _before(rows: RowStore, looked: Looked, route: str | None) -> Looked | None:
    if looked.window is None:
        return None
    window = looked.window.before()
    return Looked(read_sample(rows, window.start_ns, window.end_ns, on_route(route)), title_of(window), window)


def show_difference(
    state_dir: Path,
    before: str,
    after: str | None,
    route: str | None,
    html: Path | None,
    console: Console,
    as_json: bool,
) -> None:
    """Print what changed between two windows or files. Raises CommandError."""
    with caught_up_where_needed(state_dir, before, after) as rows:
        now_ns = time.time_ns()
        first = look(rows, before, route, now_ns)
        if after is None:
            earlier = _before(rows, first, route)
            if earlier is None:
                raise UsageError("a file has no time before it", "opswire latency diff FILE OTHER")
            first, second = earlier, first
        else:
            second = look(rows, after, route, now_ns)
        for looked in (first, second):
            refuse_empty(rows, looked)
        if html is not None:
            _export(StateDir(state_dir), html, rows, (first, second), route, console, as_json)
            return
        found = difference(first.sample, second.sample)
        if as_json:
            windows = {"before": window_as_json(first), "after": window_as_json(second)}
            write_json({**windows, "route": route, **difference_as_json(found)})
        else:
            from opswire.cli.views.latency import render_difference

            console.print(render_difference(found, first.title, second.title))


def caught_up_where_needed(state_dir: Path, *texts: str | None) -> AbstractContextManager[RowStore]:
    """The row store of the system; of two files an empty one in memory, since nothing needs to run for them."""
    if all(text is not None and Path(text).is_file() for text in texts):
        return nullcontext(open_rows("sqlite:///:memory:"))
    return caught_up(StateDir(state_dir))


def show_targets(state_dir: Path, file: Path | None, console: Console, as_json: bool) -> None:
    """Print how the targets do. Raises CommandError."""
    targets = targets_of(StateDir(state_dir), file)
    with caught_up(StateDir(state_dir)) as rows:
        now_ns = time.time_ns()
        states = states_of(targets, rows.rows(now_ns - longest_window_ns(targets), now_ns + 1), now_ns)
    if as_json:
        write_json({"at_ns": now_ns, "targets": plain(states)})
    else:
        from opswire.cli.views.latency import render_targets

        console.print(render_targets(states))


def targets_of(state: StateDir, file: Path | None) -> list[Target]:
    """The targets of a file, of `slo.toml` in the state directory, or the built-in ones. Raises UsageError."""
    path = file or state.path / "slo.toml"
    if file is None and not path.exists():
        return read_targets(DEFAULT_TARGETS)
    try:
        return read_targets(path.read_text(encoding="utf-8"))
    except TargetsError as error:
        raise UsageError(f"{path}: {error}", "opswire latency slo --defaults shows the form") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", "another --targets") from error


def print_default_targets(as_json: bool) -> None:
    """The built-in targets as they would stand in a file."""
    if as_json:
        write_json({"targets": plain(read_targets(DEFAULT_TARGETS))})
    else:
        sys.stdout.write(DEFAULT_TARGETS)


def _export(
    state: StateDir,
    path: Path,
    rows: RowStore,
    windows: tuple[Looked | None, Looked],
    route: str | None,
    console: Console,
    as_json: bool,
) -> None:
    from opswire.cli.latency_page import exported

    targets, now_ns = targets_of(state, None), time.time_ns()
    states = states_of(targets, rows.rows(now_ns - longest_window_ns(targets), now_ns + 1), now_ns)
    text = exported(rows, trace_store(state), *windows, route, states)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", "another --html FILE") from error
    if as_json:
        write_json({"html": str(path), "bytes": len(text.encode())})
    else:
        console.print(f"Written: {path}", markup=False)
