"""Settings of the intent service, beside those that every service has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from opswire.chassis.settings import ServiceSettings
from pydantic import Field


class IntentSettings(ServiceSettings):
    """`OPSWIRE_CLASSIFIER_PATH` names the trained classifier; it is trained there when it is missing."""

    classifier_path: Path = Path(".opswire/classifier")
    confidence_threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Below it a request is answered with candidates. None takes the classifier's own calibrated threshold."""
    intent_cache_ttl_s: Annotated[float, Field(gt=0, le=86_400)] = 3_600.0
