"""Settings of the executor, beside those that every service has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from opswire.chassis.settings import ServiceSettings
from opswire.executor.adapters.settings import DriverSettings, VaultSettings
from pydantic import Field, SecretStr


class ExecutorSettings(ServiceSettings):
    """`OPSWIRE_CREDENTIALS_DIR` is where `file:` references of the inventory stand; the state directory by default."""

    credentials_dir: Path | None = None
    catalogue_dir: Path | None = None
    """A team's own tools: a folder of YAML files beside the package's, read again when they change."""
    allow_loopback: bool = False
    """Only for the lab, whose hosts are on loopback: otherwise no tool ever contacts this machine."""
    nameservers: tuple[str, ...] = ()
    """DNS servers as `address` or `address#port`; none means the system's."""
    ca_file: Path | None = None
    """Certificate authorities (PEM) to trust instead of the system's."""
    sqlite_dir: Path | None = None
    """Where SQLite files stand that tools may ask; none: no tool opens one."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    sweep_interval_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    anchor_interval_s: Annotated[float, Field(gt=0, le=3_600)] = 10.0
    vault_url: str | None = None
    """Where a store that speaks Vault's KV version 2 answers; none means that `vault:` references are refused."""
    vault_token: SecretStr | None = None
    vault_token_file: Path | None = None
    vault_namespace: str | None = None

    inference_file: Path | None = None
    """Names the model servers; with it or the LLM_ variables, diagnoses and requests for several things use a model."""
    model_plans: Literal["on", "off"] = "on"
    """Whether a model, where there is one, proposes the plans of diagnoses and of requests for several things."""
    model_summaries: Literal["on", "off"] = "on"
    """Whether a model, where there is one, says in its words what the outputs of such plans show."""

    policy_file: Path | None = None
    """What may be done and by whose leave; none takes `policy.yaml` of the state directory, or the package's own."""
    people_file: Path | None = None
    """Who may approve; none takes `people.yaml` of the state directory, or the package's own, which names nobody."""

    def vault(self) -> VaultSettings | None:
        """What is needed of these settings to ask the secret store; None where there is none."""
        if self.vault_url is None:
            return None
        return VaultSettings(
            self.vault_url, self.vault_token, self.vault_token_file, self.vault_namespace, self.ca_file
        )

    def drivers(self) -> DriverSettings:
        """What the drivers need of these settings."""
        return DriverSettings(
            credentials_dir=self.credentials_dir or self.state_dir,
            allow_loopback=self.allow_loopback,
            nameservers=self.nameservers,
            ca_file=self.ca_file,
            connect_timeout_s=self.connect_timeout_s,
            sqlite_dir=self.sqlite_dir,
        )
