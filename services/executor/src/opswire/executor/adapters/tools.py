"""The table of tools: each name that a plan may hold, and the coroutine that does it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from opswire.executor.adapters import inventory
from opswire.executor.adapters.dns import Dns
from opswire.executor.adapters.host_tools import HostTools
from opswire.executor.adapters.http import Http
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.ssh import Ssh
from opswire.executor.adapters.tcp import Tcp
from opswire.executor.adapters.tls import Tls
from opswire.executor.rules.tools import Tools


class Drivers:
    """All drivers of one executor. Building it opens nothing; connections are opened by the tools that need them."""

    def __init__(self, settings: DriverSettings) -> None:
        self.ssh = Ssh(settings)
        hosts = HostTools(self.ssh, settings)
        self.tools: Tools = {
            "inventory.list": inventory.list_assets,
            "inventory.count": inventory.count_assets,
            "inventory.get": inventory.get_assets,
            "system.help": inventory.describe_help,
            "http.check": Http(settings).check,
            "tcp.connect": Tcp(settings).connect,
            "tls.inspect": Tls(settings).inspect,
            "dns.resolve": Dns(settings).resolve,
            **hosts.tools(),
        }

    async def close(self) -> None:
        """Close every connection that is kept open."""
        await self.ssh.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
