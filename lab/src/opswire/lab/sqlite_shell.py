"""A stand-in for SQLite's own command line on a host of the lab: the library is the real one.

    python -m opswire.lab.sqlite_shell ROOT [-readonly] [-bail] FILE SQL

Prints a row a line, its columns separated by `|`, as `sqlite3` does. Paths that begin with `/` are the host's.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

OPTIONS = {"-readonly", "-bail"}


def main() -> int:
    """Run the SQL; 0 when it was done, 1 with the reason on standard error, 2 for options that are not known here."""
    root, *arguments = sys.argv[1:]
    options = {argument for argument in arguments if argument.startswith("-")}
    rest = [argument for argument in arguments if not argument.startswith("-")]
    if options - OPTIONS or len(rest) != 2:
        print("usage: sqlite3 [-readonly] [-bail] FILE SQL", file=sys.stderr)  # noqa: T201
        return 2
    path = Path(root) / rest[0].lstrip("/")
    mode = "ro" if "-readonly" in options else "rw"
    sql = _with_paths_of_the_host(rest[1], root)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)) as db:
            for row in db.execute(sql):
                print("|".join("" if cell is None else str(cell) for cell in row))  # noqa: T201
    except sqlite3.Error as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _with_paths_of_the_host(sql: str, root: str) -> str:
    """`VACUUM INTO '/x'` writes a file of the host; everything else stays as it is."""
    head, into, tail = sql.partition("VACUUM INTO '/")
    quoted = root.replace("'", "''")
    return f"{head}VACUUM INTO '{quoted}/{tail}" if into else sql


if __name__ == "__main__":
    sys.exit(main())
