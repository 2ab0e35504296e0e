"""What a cache is made over: a codec for its values, and a shared level for bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

ValueT = TypeVar("ValueT")
Load = Callable[[], Awaitable[tuple[ValueT, list[str]]]]
"""Answers the value and the tags that it depends on. It only reads: it may be called in the background."""


class Codec(Protocol[ValueT]):
    """How a value is written to the shared level."""

    def encode(self, value: ValueT) -> bytes:
        """The value as bytes, the same for the same value."""

    def decode(self, data: bytes) -> ValueT:
        """The value again. Raises ValueError on foreign bytes."""


class SharedLevel(Protocol):
    """The shared level: bytes under a key, for a while. Never raises; away means None."""

    def get(self, key: str) -> Awaitable[bytes | None]:
        """The bytes, or None when there are none or the server does not answer in time."""

    async def set(self, key: str, data: bytes, ttl_s: float) -> None:
        """Keep the bytes; silently not, when the server is away."""
