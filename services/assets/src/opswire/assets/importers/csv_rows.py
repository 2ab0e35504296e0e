"""The rows of a CSV file, each by itself: one that cannot be read is said and the next one is read all the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

CELL_CHARACTERS_MAX = 131_072


class CsvRow(NamedTuple):
    """One row with the line it ends on; `problem` says why there are no cells."""

    line: int
    cells: list[str]
    problem: str | None = None


def csv_rows(text: str, delimiter: str = ",") -> Iterator[CsvRow]:
    """Every row that is not blank."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The reader goes on with the next line. What the row held is not repeated: it may be a secret.
            yield CsvRow(reader.line_num, [], f"not readable as CSV: {error}")
            continue
        if any(cells):
            yield CsvRow(reader.line_num, cells)


def delimiter_of(text: str) -> str:
    """The character that separates the headings: the most frequent of comma, semicolon and tab in the first line."""
    heading = text.removeprefix("\ufeff").partition("\n")[0]
    return max(",;\t", key=heading.count)
