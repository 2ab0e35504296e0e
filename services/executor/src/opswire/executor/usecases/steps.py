"""The tools a plan may name, how long each may take, and a step before it has its number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opswire.contracts.findings import Asset
from opswire.contracts.plan_made import Step
from opswire.contracts.taxonomy import Effect

# Milliseconds. Long enough for a login on a busy host, short enough that several fit into the default deadline of 30 s.
TIMEOUTS_MS: dict[str, int] = {
    "inventory.list": 1_000,
    "inventory.count": 1_000,
    "inventory.get": 1_000,
    "system.help": 1_000,
    "ssh.host_status": 10_000,
    "ssh.unit_status": 10_000,
    "ssh.host_load": 10_000,
    "ssh.log_tail": 15_000,
    "ssh.file_read": 15_000,
    "ssh.port_check": 10_000,
    "http.check": 5_000,
    "tcp.connect": 5_000,
    "tls.inspect": 5_000,
    "dns.resolve": 5_000,
}


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One tool on at most one asset, with its arguments."""

    tool: str
    asset: Asset | None = None
    arguments: Mapping[str, str | int | bool] = field(default_factory=dict)

    def step(self, number: int) -> Step:
        """The step as it goes into the plan. Every tool here only reads."""
        return Step(
            number=number,
            tool=self.tool,
            effect=Effect.READ,
            asset_id=self.asset.id if self.asset else None,
            asset_generation=self.asset.generation if self.asset else None,
            arguments=dict(self.arguments),
            timeout_ms=TIMEOUTS_MS[self.tool],
        )
