"""The executor's way to model servers, where there are any: configuration, client, health.

Client libraries are loaded with the first call; an executor without a model server never loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opswire.chassis.inference.client import InferenceClient
from opswire.chassis.inference.configuration import WatchedConfiguration
from opswire.chassis.metrics import Metrics
from opswire.executor.errors import InferenceSettingsError


class ModelAccess:
    """Belongs to one event loop."""

    def __init__(self, configuration: WatchedConfiguration, metrics: Metrics) -> None:
        self._configuration = configuration
        self.client = InferenceClient("executor", configuration, metrics)

    @classmethod
    def open(cls, file: Path | None, environment: Mapping[str, str], metrics: Metrics) -> ModelAccess | None:
        """None where nothing names a model server. A file that is not there yet may come while the service runs.

        Raises InferenceSettingsError, naming the file's line or the variable that is wrong.
        """
        try:
            configuration = WatchedConfiguration("executor", file, environment)
        except ValueError as error:
            raise InferenceSettingsError(str(error)) from error
        if file is None and not configuration.is_configured:
            return None
        return cls(configuration, metrics)

    def is_there(self) -> bool:
        """Whether a model server is named at this moment. Says nothing about its health; microseconds."""
        return self._configuration.is_configured

    def state(self) -> dict[str, Any]:
        """For /health/ready; never a key."""
        known = self.client.state() if self._configuration.is_configured else {"chain": []}
        return {**known, "configuration": self._configuration.state()}
