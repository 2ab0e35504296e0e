"""Settings of the assets service, beside those that every service has."""

from __future__ import annotations

from typing import Annotated

from opswire.chassis.settings import ServiceSettings
from pydantic import Field


class AssetsSettings(ServiceSettings):
    """`OPSWIRE_INVENTORY_URL` is a SQLAlchemy URL; the schema is brought to the newest at start."""

    inventory_url: str = "sqlite:///.opswire/inventory.sqlite3"
    selection_cache_ttl_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    outbox_poll_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often changes by other processes are looked for; our own are published at once."""
