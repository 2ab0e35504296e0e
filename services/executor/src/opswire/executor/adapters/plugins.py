"""Tools of other packages: a Python entry point in the group `opswire.tools`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

from opswire.executor.errors import BadCatalogueError
from opswire.executor.rules.driver_settings import PythonFunction
from opswire.executor.rules.tools import Tool

GROUP = "opswire.tools"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point's function returns: a catalogue file, and the coroutine for each function it names."""

    catalogue: str
    functions: Mapping[str, Tool]


def installed_plugins() -> dict[str, Plugin]:
    """The plugins of the installed packages, by the name of their entry point. Raises BadCatalogueError."""
    found: dict[str, Plugin] = {}
    faults: list[str] = []
    for point in entry_points(group=GROUP):
        try:
            provide: Callable[[], object] = point.load()
            plugin = provide()
        except Exception as error:  # noqa: BLE001  a package that is not ours may raise anything; it is told
            faults.append(f"plugin {point.name}: {point.value} failed: {type(error).__name__}: {error}")
            continue
        if isinstance(plugin, Plugin):
            found[point.name] = plugin
        else:
            faults.append(f"plugin {point.name}: {point.value} returns no opswire.executor.adapters.plugins.Plugin")
    if faults:
        raise BadCatalogueError(faults)
    return found


def function_of(plugins: Mapping[str, Plugin], driver: PythonFunction) -> Tool:
    """The function that an entry names. Raises BadCatalogueError where its plugin brings none of that name."""
    plugin = plugins.get(driver.plugin)
    if plugin is None or driver.function not in plugin.functions:
        raise BadCatalogueError([f"plugin {driver.plugin}: brings no function {driver.function}"])
    return plugin.functions[driver.function]
