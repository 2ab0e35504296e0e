"""The table of tools: each name that a plan may hold, and the coroutine that does it, as the catalogue says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from opswire.executor.adapters import inventory
from opswire.executor.adapters.command_tools import CommandTools
from opswire.executor.adapters.data_tools import DataTools
from opswire.executor.adapters.dns import Dns
from opswire.executor.adapters.file_tools import FileTools
from opswire.executor.adapters.host_tools import HostTools
from opswire.executor.adapters.http import Http
from opswire.executor.adapters.local import Local
from opswire.executor.adapters.pinned_http import PinnedHttp
from opswire.executor.adapters.plugins import Plugin, function_of
from opswire.executor.adapters.prometheus import Prometheus
from opswire.executor.adapters.redacted import redacted
from opswire.executor.adapters.rest import Rest
from opswire.executor.adapters.secrets import EnvironmentSecrets, FileSecrets, Secrets
from opswire.executor.adapters.service_tools import ServiceTools
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.sql import Sql
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.adapters.tcp import Tcp
from opswire.executor.adapters.tls import Tls
from opswire.executor.adapters.windows import Windows
from opswire.executor.rules.catalogue import Catalogue, Entry
from opswire.executor.rules.driver_settings import (
    KubernetesCall,
    LocalCommand,
    McpTool,
    OwnDriver,
    PrometheusQuery,
    PythonFunction,
    RestCall,
    SqlQuery,
    SshCommand,
    WindowsCommand,
)
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.tools import Tool, Tools


class ToolTable(Mapping[str, Tool]):
    """The tools of the catalogue in force. Whoever holds the table has the new tools when the catalogue is replaced."""

    def __init__(self) -> None:
        self._tools: Mapping[str, Tool] = {}

    def replace(self, tools: Mapping[str, Tool]) -> None:
        """From now on these."""
        self._tools = tools

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)


class Drivers:
    """All drivers of one executor. Building it opens nothing; connections are opened by the tools that need them."""

    def __init__(
        self,
        settings: DriverSettings,
        catalogue: Catalogue | None = None,
        *,
        secrets: Secrets | None = None,
        plugins: Mapping[str, Plugin] | None = None,
    ) -> None:
        """The package's own catalogue is in force unless another one is given. `secrets` resolve references."""
        self.ssh = Ssh(settings)
        secrets = secrets or Secrets({"env": EnvironmentSecrets(), "file": FileSecrets(settings.credentials_dir)})
        self._plugins = plugins or {}
        self._commands = CommandTools(self.ssh)
        self._windows = Windows(self.ssh)
        self._local = Local(settings)
        self._sql = Sql(settings, secrets)
        self._settings, self._secrets = settings, secrets
        http = PinnedHttp(settings, secrets)
        self._prometheus = Prometheus(http)
        self._rest = Rest(http)
        self._own: Tools = {
            "inventory.list": inventory.list_assets,
            "inventory.count": inventory.count_assets,
            "inventory.get": inventory.get_assets,
            "system.help": inventory.describe_help,
            "http.check": Http(settings).check,
            "tcp.connect": Tcp(settings).connect,
            "tls.inspect": Tls(settings).inspect,
            "dns.resolve": Dns(settings).resolve,
            **HostTools(self.ssh, settings).tools(),
            **ServiceTools(self.ssh, settings).tools(),
            **FileTools(self.ssh).tools(),
            **DataTools(self.ssh).tools(),
        }
        self._table = ToolTable()
        self.use(catalogue or packaged_catalogue())

    @property
    def tools(self) -> Tools:
        """The tools of the catalogue in force, also of one that comes into force later."""
        return self._table

    def use(self, catalogue: Catalogue) -> None:
        """From now on the tools of this catalogue. Calls that are under way end with the tool they began with."""
        self._table.replace({entry.name: redacted(self._tool(entry, catalogue)) for entry in catalogue})

    def _tool(self, entry: Entry, catalogue: Catalogue) -> Tool:
        driver, bytes_max = entry.driver, entry.output_bytes_max
        match driver:
            case OwnDriver():
                given = driver.name == "command.run"
                return self._commands.as_given(bytes_max) if given else self._own[driver.name]
            case SshCommand():
                return self._commands.described(driver, bytes_max)
            case WindowsCommand():
                return self._windows.tool(driver)
            case LocalCommand():
                return self._local.tool(driver, bytes_max)
            case SqlQuery():
                return self._sql.tool(driver)
            case PrometheusQuery():
                return self._prometheus.tool(driver, bytes_max)
            case RestCall() | KubernetesCall():
                return self._rest.tool(driver, bytes_max)
            case McpTool():
                return self._mcp_tool(driver, entry, catalogue)
            case PythonFunction():
                return function_of(self._plugins, driver)

    def _mcp_tool(self, driver: McpTool, entry: Entry, catalogue: Catalogue) -> Tool:
        # Imported here: the library takes most of a second, and only those pay for it who have such a tool.
        from opswire.executor.adapters.mcp_client import McpTools

        return McpTools(self._settings, self._secrets).tool(driver, entry, catalogue.mcp_servers)

    async def close(self) -> None:
        """Close every connection that is kept open."""
        await self.ssh.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
