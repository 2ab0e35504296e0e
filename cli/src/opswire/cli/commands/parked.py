"""`parked`: messages that could not be handled."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir, broker_at

app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled: look at them, drive them again.")
ParkedId = Annotated[str, typer.Argument(metavar="ID", help="The parked id or its first characters.")]


@app.command("list")
def list_parked(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """The newest parked messages, oldest of them first."""
    with reporting(as_json):
        from collections import deque

        from opswire.cli.bus import connected
        from opswire.cli.parking import read_parked, redriven_as
        from opswire.cli.views.parked import print_list

        async def work() -> tuple[list[Any], int]:
            newest: deque[Any] = deque(maxlen=limit)
            total = 0
            async with connected(broker_at(state_dir)) as bus:
                async for record in read_parked(bus):
                    newest.append(record)
                    total += 1
                return [(record, await redriven_as(bus, record)) for record in newest], total

        found, total = run(work())
        if as_json:
            write_json({"total": total, "parked": [{**one.as_json(), "redriven_as": again} for one, again in found]})
        else:
            print_list(terminal(), found, total)


@app.command("show")
def show_parked(parked_id: ParkedId, state_dir: StateDir = STATE_DIR_DEFAULT, as_json: Json = False) -> None:
    """One parked message: why, its headers, its original bytes."""
    with reporting(as_json):
        from opswire.cli.bus import connected
        from opswire.cli.parking import find_parked, redriven_as
        from opswire.cli.views.parked import print_one

        async def work() -> tuple[Any, str | None]:
            async with connected(broker_at(state_dir)) as bus:
                record = await find_parked(bus, parked_id)
                return record, await redriven_as(bus, record)

        record, again = run(work())
        if as_json:
            write_json({**record.as_json(), "redriven_as": again})
        else:
            print_one(terminal(), record, again)


@app.command("redrive")
def redrive(
    parked_id: ParkedId,
    file: Annotated[str | None, typer.Option("--file", help="Bytes to send in place of the parked ones.")] = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Drive a parked message again: a request under a new id `<id>-r<n>`, a change on its own subject."""
    with reporting(as_json):
        from opswire.cli.building import read_bytes

        fixed = None if file is None else read_bytes(file)
        result = run(_redrive(broker_at(state_dir), parked_id, fixed))
        if as_json:
            write_json(result)
        elif "request_id" in result:
            key = result["key"]
            terminal().print(f"Driven again as {key}. See: opswire show {key}", markup=False)
        else:
            terminal().print(f"Published again on {result['subject']}.", markup=False)


async def _redrive(url: str, parked_id: str, fixed: bytes | None) -> dict[str, Any]:
    from opswire.cli.bus import connected
    from opswire.cli.parking import find_parked, redrive_change, redriven_request
    from opswire.cli.submission import accept
    from opswire.cli.values import shown_key

    async with connected(url) as bus:
        record = await find_parked(bus, parked_id)
        if record.key is None:
            return await redrive_change(bus, record, fixed)
        submission = await redriven_request(bus, record, fixed)
        await accept(bus, submission, None)
        source, request_id = submission.source, submission.request_id
        return {
            "source": source,
            "request_id": request_id,
            "in_reply_to": record.key[1],
            "key": shown_key(source, request_id),
        }
