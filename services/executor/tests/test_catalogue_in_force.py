"""A team's catalogue that changes while the executor runs: plans, tools and caches follow it at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from opswire.chassis.errors import RetryableError
from opswire.chassis.service import Service
from opswire.contracts.basis_changed import BasisChanged, BasisKind
from opswire.contracts.findings import Asset
from opswire.contracts.routes import BASIS_CHANGED
from opswire.executor.adapters.catalogue_files import CatalogueFiles
from opswire.executor.adapters.catalogue_in_force import CatalogueInForce, changed_tools
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import ToolCall, ToolResult
from opswire.executor.usecases.kept_results import Kept, KeptResults, Load
from opswire.executor.usecases.run import call_of

TEAM = """
catalogue: 1
owner: a team
tools:
  - name: team.uptime
    does: {does}
    driver: {{name: ssh.command, argv: [uptime]}}
    effect: read
    risk: LOW
    caching: {{ttl_s: 5, reason: It changes slowly}}
    timeout_ms: 5000
    intents: [metrics.query]
    asset_types: [host]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tools"
    made.mkdir()
    return made


@pytest.fixture
async def told(service: Service) -> AsyncIterator[list[BasisChanged]]:
    """What the caches are told, as it is told."""
    found: list[BasisChanged] = []
    client = service.bus.client
    number = await client.subscribe_directly(
        BASIS_CHANGED.template, lambda _subject, _reply, body, _header: found.append(BasisChanged.from_bytes(body))
    )
    await client.flush()
    yield found
    await client.unsubscribe_directly(number)


def write(folder: Path, does: str) -> None:
    """Another file in its place, as an editor or a deployment does it: never half written."""
    new = folder / "team.new"
    new.write_text(TEAM.format(does=does))
    new.rename(folder / "team.yaml")


async def test_each_change_is_told_once_and_a_broken_file_is_not(
    service: Service, folder: Path, told: list[BasisChanged]
) -> None:
    catalogue = CatalogueInForce(CatalogueFiles(folder, {}), lambda: service.sender)
    await catalogue.look()
    write(folder, "Says how long it has been up")
    await catalogue.look()
    await catalogue.look()
    write(folder, "Says how long the host has been up")
    await catalogue.look()
    (folder / "team.yaml").write_text("catalogue: 1\nowner: a team\ntools: [broken]\n")
    await catalogue.look()
    in_force = catalogue.current.version
    (folder / "team.yaml").unlink()
    await catalogue.look()
    await service.bus.client.flush()
    assert [(one.kind, one.names) for one in told] == [(BasisKind.CATALOGUE, ["team.uptime"])] * 3
    assert [one.version for one in told][1:] == [in_force, packaged_catalogue().version]


async def test_what_could_not_be_told_is_told_with_the_next_look(
    service: Service, folder: Path, told: list[BasisChanged]
) -> None:
    is_away = True

    def sender():
        if is_away:
            raise RetryableError("away")
        return service.sender

    catalogue = CatalogueInForce(CatalogueFiles(folder, {}), sender)
    write(folder, "Says how long it has been up")
    await catalogue.look()
    assert catalogue.current.find("team.uptime") is not None
    assert told == []
    is_away = False
    await catalogue.look()
    await service.bus.client.flush()
    assert [one.names for one in told] == [["team.uptime"]]


class Remembering:
    """A cache that forgets nothing: what it may serve, the key alone decides."""

    def __init__(self) -> None:
        self.entries: dict[str, Kept] = {}

    async def read(self, key: str, load: Load, *, fresh: bool = False, ttl_s: float | None = None) -> tuple[Kept, str]:
        """As the chassis' cache."""
        del fresh, ttl_s
        if key in self.entries:
            return self.entries[key], "memory"
        self.entries[key], _ = await load()
        return self.entries[key], "miss"


async def test_a_result_that_was_kept_under_another_catalogue_is_not_served(
    service: Service, folder: Path, make_context: Callable, make_asset: Callable[..., Asset]
) -> None:
    catalogue = CatalogueInForce(CatalogueFiles(folder, {}), lambda: service.sender)
    kept = KeptResults(Remembering(), "v", catalogue=lambda: catalogue.current)
    context = make_context("metrics.query", "load", [make_asset("web-01")])

    async def tool(_: ToolCall) -> ToolResult:
        return ToolResult(({"value": 1},))

    async def ask() -> str:
        found = await kept.run(tool, call_of(catalogue.make_plan(context).steps[0], context), fresh=False)
        return found.outcome

    assert [await ask(), await ask()] == ["miss", "memory"]
    write(folder, "Says how long it has been up")
    await catalogue.look()
    assert [await ask(), await ask()] == ["miss", "memory"]


def test_a_plan_is_made_by_the_catalogue_in_force(
    folder: Path, make_context: Callable, make_asset: Callable[..., Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sender():
        raise AssertionError("nothing is to be told")

    catalogue = CatalogueInForce(CatalogueFiles(folder, {}), sender)
    context = make_context("metrics.query", "load", [make_asset("web-01")])
    before = catalogue.make_plan(context)
    entries = [entry.model_copy(update={"timeout_ms": 4_321}) for entry in packaged_catalogue()]
    monkeypatch.setattr(catalogue._files, "current", Catalogue(entries))
    after = catalogue.make_plan(context)
    assert {step.timeout_ms for step in after.steps} == {4_321}
    assert before.digest != after.digest
    assert changed_tools(packaged_catalogue(), catalogue.current) == {entry.name for entry in entries}
