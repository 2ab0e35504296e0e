"""A service's way to the model servers: their configuration, the client, warming, and what health shows of them.

Client libraries are loaded with the first call or the warming; a service without inference never loads them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from opswire.chassis.inference.call import OutputSchema
from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import WatchedConfiguration
from opswire.chassis.inference.errors import InferenceSettingsError
from opswire.chassis.logs import get_logger
from opswire.chassis.metrics import Metrics

WARMTH_CHECKED_EVERY_S = 5.0


class ModelAccess:
    """What one service knows of its model servers. Belongs to one event loop."""

    def __init__(self, service: str, configuration: WatchedConfiguration, metrics: Metrics) -> None:
        """`service` is the name under which the configuration may name servers of its own."""
        self._configuration = configuration
        self.client = InferenceClient(service, configuration, metrics)
        self._warmed_version: int | None = None

    @classmethod
    def open(cls, service: str, file: Path | None, environment: Mapping[str, str], metrics: Metrics) -> Self | None:
        """None where nothing names a model server. A file that is not there yet may come while the service runs.

        Raises InferenceSettingsError, naming the file's line or the variable that is wrong.
        """
        try:
            configuration = WatchedConfiguration(service, file, environment)
        except ValueError as error:
            raise InferenceSettingsError(str(error)) from error
        if file is None and not configuration.is_configured:
            return None
        return cls(service, configuration, metrics)

    def is_there(self) -> bool:
        """Whether a model server is named at this moment. Says nothing about its health; microseconds."""
        return self._configuration.is_configured

    def identity(self) -> tuple[str, str] | None:
        """The first endpoint's name, and provider and model of it; None while nothing is configured. Microseconds."""
        if not self._configuration.is_configured:
            return None
        first = self._configuration().chain[0]
        return first.name, f"{first.provider}/{first.model}"

    def state(self) -> dict[str, Any]:
        """For /health/ready; never a key."""
        known = self.client.state() if self._configuration.is_configured else {"chain": []}
        is_warm = self._warmed_version == self._configuration.version
        return {**known, "configuration": self._configuration.state(), "is_warm": is_warm}

    async def keep_warm(self, schemas: Callable[[], Sequence[OutputSchema[Any]]], learns_lanes: bool = True) -> None:
        """Let the servers of each configuration see the schemas, once they are well. Runs until cancelled.

        `learns_lanes`: a server is asked once whether it heeds them, which costs it some 50,000 prompt tokens; who
        never asks in the bulk lane need not know.
        """
        while True:
            version = self._configuration.version
            if self._configuration.is_configured and version != self._warmed_version and await self.client.is_healthy():
                shown = schemas()
                await self.client.warm(shown, learns_lanes)
                self._warmed_version = version
                get_logger().info("model servers warmed", schemas=len(shown))
            await asyncio.sleep(WARMTH_CHECKED_EVERY_S)
