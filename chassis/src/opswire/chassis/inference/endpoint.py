"""One place where a model answers: what a call needs to know of it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Endpoint(BaseModel):
    """A model server and how it is used. Times in seconds, prices in US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=64)]
    provider: str
    """A row of the capability registry; one that is not there is used by plain calls."""
    base_url: str
    model: str
    api_key: SecretStr | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    """None: none is sent. Models that are known to refuse one are asked without it anyhow."""
    max_tokens: Annotated[int, Field(ge=1, le=131_072)] = 512
    """The most that one call may ask for."""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    concurrency_max: Annotated[int, Field(ge=1, le=10_000)] = 64
    queue_max: Annotated[int, Field(ge=0, le=100_000)] = 1_024
    """Calls that wait for a place; one more is refused as overloaded."""
    retries_max: Annotated[int, Field(ge=0, le=5)] = 1
    sends_priority: bool = True
    """Whether lanes are sent to a server that is known to schedule by priority (vLLM)."""
    input_usd_per_million_tokens: Annotated[float, Field(ge=0)] | None = None
    output_usd_per_million_tokens: Annotated[float, Field(ge=0)] | None = None
    cached_input_usd_per_million_tokens: Annotated[float, Field(ge=0)] | None = None
    cache_write_usd_per_million_tokens: Annotated[float, Field(ge=0)] | None = None

    @property
    def shown_url(self) -> str:
        """The address without what may be secret in it: user, password, query."""
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else f"{host}", parts.path, "", ""))
