"""Settings of the intent service, beside those that every service has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from opswire.chassis.settings import ServiceSettings
from pydantic import Field


class IntentSettings(ServiceSettings):
    """`OPSWIRE_CLASSIFIER_PATH` names the trained classifier; it is trained there when it is missing."""

    classifier_path: Path = Path(".opswire/classifier")
    confidence_threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Below it a request is answered with candidates. None takes the classifier's own calibrated threshold."""
    intent_cache_ttl_s: Annotated[float, Field(gt=0, le=86_400)] = 3_600.0
    inference_file: Path | None = None
    """Names the model servers; with it or the LLM_ variables, what the classifier is not sure of goes to a model."""
    prompts: Literal["merged", "compact", "baseline"] = "merged"
    local_suffices_threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Below it a model is asked, where there is one. None takes the confidence threshold."""
    template_agreements_min: Annotated[int, Field(ge=0, le=100_000)] = 5
    """How many different texts of a template must agree before it answers for others. 0: no template ever does."""
    template_agreements_changing_min: Annotated[int, Field(ge=1, le=100_000)] = 300
    """The same, where the words or the intent would change something."""
