"""How input that cannot be read is refused: with the place it came from and what was expected there."""

from __future__ import annotations


class InputError(ValueError):
    """Input is not what a reader takes. The message names the file or address, the line where known, and what to do."""


class MissingError(InputError):
    """The input is sound and what was asked for is not in it."""


class UnreachableError(InputError):
    """A trace store does not answer."""
