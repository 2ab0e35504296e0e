"""Settings that every service has, read from the environment (prefix `OPSWIRE_`) when a service is created."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What differs between a laptop and production. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix="OPSWIRE_", extra="ignore", frozen=True)

    nats_url: str = "nats://127.0.0.1:4222"
    nats_seed_file: Path | None = None
    """The key to connect with, where the broker asks for one; `opswire keys broker` makes it."""
    nats_monitor_url: str | None = None
    """Where the broker's monitoring answers; with it a service checks at start that publishes are durable."""
    valkey_url: str | None = None
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    http_token: SecretStr | None = None
    state_dir: Path = Path(".opswire")
    trace_store: Path | None = None
    otlp_endpoint: str | None = None
    telemetry: Literal["on", "off"] = "on"
    """`off` keeps, sends and counts no span: for measuring what that costs. Messages carry their trace all the same."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    stream_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    in_flight_messages_max: Annotated[int, Field(ge=1, le=10_000)] = 256
    connect_patience_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long a starting service waits for the broker before it gives up; a running one reconnects for ever."""
    drain_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    delivery: Literal["fast", "stock"] = "fast"
    """`stock` uses FastStream's own delivery loop, for comparison; the promises are the same."""
    cache: Literal["on", "off"] = "on"
    cache_check_share: Annotated[float, Field(ge=0, le=1)] = 0.001
    """The share of cache hits that is recomputed in the background and compared; 0 compares none."""
