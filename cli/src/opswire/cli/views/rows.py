"""Rows whose figures and ids are never cut: what does not fit beside the others stands beneath them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

_GAP = "  "


@dataclass(frozen=True)
class Rows:
    """A table. On a terminal too narrow for it, the columns named in `below` stand in lines of their own under a row.

    Elsewhere than on a terminal a row is one line, however long: another program reads it. `right` names the figures.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Text]]
    below: frozenset[str]
    right: frozenset[str] = frozenset()
    header_style: str = "bold"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What `console.print` asks for."""
        lines = [[Text(name, self.header_style) for name in self.columns], *self.rows]
        widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
        is_whole = sum(widths) + len(_GAP) * (len(widths) - 1) <= options.max_width or not options.is_terminal
        beside = [place for place, name in enumerate(self.columns) if is_whole or name not in self.below]
        beneath = [place for place in range(len(self.columns)) if place not in beside]
        yield self._line(lines[0], beside, widths)
        for row in self.rows:
            yield self._line(row, beside, widths)
            for told in self._beneath(row, beneath, options.max_width):
                yield _whole(told)

    def _line(self, cells: Sequence[Text], places: Sequence[int], widths: Sequence[int]) -> Text:
        padded = []
        for place in places:
            cell, space = cells[place], " " * (widths[place] - cells[place].cell_len)
            is_right = self.columns[place] in self.right
            padded.append(Text.assemble(space, cell) if is_right else Text.assemble(cell, space))
        line = Text(_GAP).join(padded)
        line.rstrip()
        return _whole(line)

    def _beneath(self, row: Sequence[Text], places: Sequence[int], width: int) -> list[Text]:
        """As many of these cells in a line as fit, each after its column's name."""
        lines: list[Text] = []
        for place in places:
            told = Text.assemble((f"{self.columns[place]} ", "dim"), row[place])
            if lines and lines[-1].cell_len + len(_GAP) + told.cell_len <= width:
                lines[-1].append(_GAP).append_text(told)
            elif row[place]:
                lines.append(Text(_GAP * 2).append_text(told))
        return lines


def _whole(line: Text) -> Text:
    """Never cut and never broken between words: a narrow terminal folds it at its edge, so that it can be copied."""
    line.no_wrap, line.overflow = True, "ignore"
    return line
