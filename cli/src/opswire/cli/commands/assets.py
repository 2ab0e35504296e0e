"""`assets`: the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from opswire.cli.console import reporting, run, terminal, write_json
from opswire.cli.options import STATE_DIR_DEFAULT, Json, StateDir

app = typer.Typer(no_args_is_help=True, help="The inventory: diff, import, list, show, set, rename, delete.")
Filter = Annotated[str | None, typer.Option(help="Only these.")]
File = Annotated[
    Path,
    typer.Argument(
        help="YAML of ours, NetBox CSV, JSON or SQL dump, Ansible INI or YAML, Kubernetes list, CSV.",
        exists=True,
        dir_okay=False,
    ),
]
FileFormat = Annotated[
    str | None, typer.Option("--format", help="opswire, netbox, ansible, kubernetes, csv; else found out.")
]
Mapping = Annotated[
    str | None, typer.Option("--map", help="Columns of any CSV: name=Hostname,address=IP,attributes.rack=Rack.")
]
NOT_SEEN = "the caches' invalidation was not seen within 30 s; answers may be old for a moment"


@app.command("import")
def import_assets(
    file: File,
    file_format: FileFormat = None,
    mapping: Mapping = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Import an inventory file; returns when no cache serves what was true before. See `diff` first."""
    with reporting(as_json):
        from opswire.cli import importing
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import import_progress, print_import

        read = importing.InventoryFile(file.read_bytes(), file.name, file_format, mapping)
        with import_progress(terminal(error=True), shown=not as_json) as progress:
            report, settled = run(importing.import_file(Directory(state_dir), read, progress))
        if as_json:
            write_json({**report, "caches_settled": settled})
        else:
            print_import(terminal(), report)
            _warn(settled)


@app.command("diff")
def diff_assets(
    file: File,
    file_format: FileFormat = None,
    mapping: Mapping = None,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """What importing a file would do: added, changed field by field, left alone, and gone from it. Changes nothing."""
    with reporting(as_json):
        from opswire.cli import importing
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import print_difference

        read = importing.InventoryFile(file.read_bytes(), file.name, file_format, mapping)
        found = importing.diff_file(Directory(state_dir), read)
        if as_json:
            write_json(found)
        else:
            print_difference(terminal(), found)


@app.command("list")
def list_assets(
    name: Filter = None,
    asset_type: Annotated[str | None, typer.Option("--type", help="host, service, database, ...")] = None,
    environment: Filter = None,
    group: Filter = None,
    tag: Filter = None,
    site: Filter = None,
    os: Filter = None,
    owner: Filter = None,
    parent: Filter = None,
    address: Filter = None,
    criticality: Filter = None,
    identity: Annotated[str | None, typer.Option("--id", help="Only the asset with this id.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="key=value, or key alone for any value; all of them must hold.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 200,
    offset: Annotated[int, typer.Option(min=0, max=1_000_000, help="Leave out the first so many.")] = 0,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """The assets that match every given filter."""
    with reporting(as_json):
        from opswire.cli import inventory
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import print_assets

        asked = {"name": name, "type": asset_type, "environment": environment, "group": group, "tag": tag, "site": site}
        asked |= {"os": os, "owner": owner, "parent": parent, "address": address}
        asked |= {"criticality": criticality, "id": identity, "limit": str(limit), "offset": str(offset)}
        filters = [(key, value) for key, value in asked.items() if value is not None]
        filters += [("attribute", one) for one in attribute or ()]
        found = inventory.list_assets(Directory(state_dir), filters)
        if as_json:
            write_json(found)
        else:
            print_assets(terminal(), found)


@app.command("show")
def show_asset(
    name: Annotated[str, typer.Argument(help="The asset's name.")],
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Everything known of one asset."""
    with reporting(as_json):
        from opswire.cli import inventory
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import print_asset

        asset = inventory.show_asset(Directory(state_dir), name)
        if as_json:
            write_json(asset)
        else:
            print_asset(terminal(), asset)


@app.command("set")
def set_asset(
    name: Annotated[str, typer.Argument(help="The asset's name.")],
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="Such as environment=staging tags=a,b.")],
    new_environment: Annotated[
        bool, typer.Option("--new-environment", help="The environment is meant to be one that no asset has yet.")
    ] = False,
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Change an asset; returns when no cache serves what was true before."""
    with reporting(as_json):
        from opswire.cli import inventory
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import print_asset

        changes = inventory.parse_changes(pairs)
        asset, settled = run(inventory.set_asset(Directory(state_dir), name, changes, new_environment))
        if as_json:
            write_json({**asset, "caches_settled": settled})
        else:
            print_asset(terminal(), asset)
            _warn(settled)


@app.command("rename")
def rename_asset(
    name: Annotated[str, typer.Argument(metavar="OLD", help="The asset's name.")],
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="The name it gets.")],
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Give an asset another name; those on it follow. Returns when no cache serves what was true before."""
    with reporting(as_json):
        from opswire.cli import inventory
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import print_asset

        asset, settled = run(inventory.set_asset(Directory(state_dir), name, {"name": new_name}))
        if as_json:
            write_json({**asset, "caches_settled": settled})
        else:
            print_asset(terminal(), asset)
            _warn(settled)


@app.command("delete")
def delete_asset(
    name: Annotated[str, typer.Argument(help="The asset's name.")],
    state_dir: StateDir = STATE_DIR_DEFAULT,
    as_json: Json = False,
) -> None:
    """Delete an asset that nothing lives on, and print what it was. Returns when no cache serves it."""
    with reporting(as_json):
        from opswire.cli import inventory
        from opswire.cli.state import StateDir as Directory
        from opswire.cli.views.assets import print_deleted

        gone, settled = run(inventory.delete_asset(Directory(state_dir), name))
        if as_json:
            write_json({"deleted": gone, "caches_settled": settled})
        else:
            print_deleted(terminal(), gone)
            _warn(settled)


def _warn(settled: bool) -> None:
    if not settled:
        terminal(error=True).print(f"warning: {NOT_SEEN}", style="yellow", markup=False)
