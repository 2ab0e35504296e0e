"""Spans from a file, whichever of the known forms it has: the first bytes tell.

JSON lines and protobuf are read piece by piece and never held whole; a JSON document over several lines is.
"""

from __future__ import annotations

import gzip
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import orjson
from opswire.ledger.model import Span
from opswire.ledger.readers.documents import EXPECTED, read_document
from opswire.ledger.readers.errors import InputError
from opswire.ledger.readers.otlp_protobuf import messages, read_otlp_protobuf

LINE_BYTES_MAX = 256 * 1024 * 1024
"""The longest line, and the largest document over several lines, that is read into memory."""
_GZIP = b"\x1f\x8b"
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_file(path: Path) -> Iterator[Span]:
    """The spans of a file: OTLP as JSON lines, JSON or protobuf, Jaeger's JSON, Tempo's JSON; also gzipped.

    Raises InputError, which names the file, the line or message, and what was expected there.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with _opened(path, packed) as opened:
            start = opened.read(64)
            opened.seek(0)
            if start.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)[:1] in (b"{", b"["):
                yield from _json(path, opened)
            elif start.strip(_BLANK):
                yield from _protobuf(path, opened, packed)
            else:
                raise InputError(f"{path}: the file is empty; expected {EXPECTED}, or OTLP in protobuf")
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {reason}") from error


def _opened(path: Path, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _json(path: Path, opened: IO[bytes]) -> Iterator[Span]:
    number = 0
    while line := opened.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise InputError(f"{path}, line {number}: longer than {LINE_BYTES_MAX} bytes; one request or trace a line")
        text = line.removeprefix(_BYTE_ORDER_MARK).strip(_BLANK) if number == 1 else line.strip(_BLANK)
        if not text:
            continue
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if number == 1:
                yield from _document_of_lines(path, line + opened.read(LINE_BYTES_MAX + 1))
                return
            raise InputError(f"{path}, line {number}: not JSON ({error}); expected {EXPECTED} on each line") from error
        yield from _spans(document, f"{path}, line {number}")


def _document_of_lines(path: Path, content: bytes) -> Iterator[Span]:
    """One document over several lines."""
    if len(content) > LINE_BYTES_MAX:
        raise InputError(f"{path}: one JSON document of more than {LINE_BYTES_MAX} bytes; write one trace a line")
    try:
        document = orjson.loads(content.removeprefix(_BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path}, {place}: not JSON ({error.msg}); expected {EXPECTED}") from error
    yield from _spans(document, str(path))


def _spans(document: Any, place: str) -> Iterator[Span]:
    try:
        yield from read_document(document)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error


def _protobuf(path: Path, opened: IO[bytes], packed: bool) -> Iterator[Span]:
    with _in_memory(opened, packed) as content:
        done = 0
        try:
            for message in messages(content):
                yield from read_otlp_protobuf(message)
                done += 1
        except ValueError as error:
            place = f", message {done + 1}" if done else ""
            raise InputError(f"{path}{place}: {error}; expected {EXPECTED}, or OTLP in protobuf") from error


@contextmanager
def _in_memory(opened: IO[bytes], packed: bool) -> Iterator[memoryview]:
    """The file's bytes. A plain file is mapped: its pages are the system's to keep or to drop."""
    if packed:
        yield memoryview(opened.read())
        return
    with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
        yield content
