"""What the name server says about a name, beside what the inventory says."""

from __future__ import annotations

import asyncio

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.together import together
from opswire.executor.errors import BadArgumentError, NameServerError
from opswire.executor.rules.cells import listed, plain
from opswire.executor.rules.names import is_hostname
from opswire.executor.rules.tools import ToolCall, ToolResult

DNS_PORT = 53
LIFETIME_S = 4.0


class Dns:
    """Questions to the configured name servers, or to the system's. Only they are contacted, never what they answer."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings

    async def resolve(self, call: ToolCall) -> ToolResult:
        """`resolved` with the addresses, or `no such name`, `no address`.

        Raises BadArgumentError for what is no name, NameServerError when no server answers.
        """
        name = call.text("name")
        if not is_hostname(name):
            raise BadArgumentError(f"{name[:80]!r} is not a host name")
        resolver = self._resolver()
        loop = asyncio.get_running_loop()
        started = loop.time()
        answers = await together(_addresses(resolver, name, "A"), _addresses(resolver, name, "AAAA"))
        latency_ms = round((loop.time() - started) * 1_000, 1)
        found = [address for answer in answers if answer is not None for address in answer]
        missing = all(answer is None for answer in answers)
        result = "resolved" if found else "no such name" if missing else "no address"
        detail = "; ".join(part for part in (listed(found), _known(call, found)) if part)
        return ToolResult(
            (
                {
                    "check": "dns",
                    "from": "executor",
                    "to": plain(name, 253),
                    "port": None,
                    "result": result,
                    "latency_ms": latency_ms,
                    "detail": detail,
                },
            )
        )

    def _resolver(self) -> dns.asyncresolver.Resolver:
        try:
            resolver = dns.asyncresolver.Resolver(configure=not self._settings.nameservers)
        except dns.resolver.NoResolverConfiguration:
            raise NameServerError("no name server is configured here") from None
        if self._settings.nameservers:
            resolver.nameservers = [_nameserver(text) for text in self._settings.nameservers]
        return resolver


def _nameserver(text: str) -> dns.nameserver.Nameserver:
    address, _, port = text.partition("#")
    return dns.nameserver.Do53Nameserver(address, int(port) if port else DNS_PORT)


async def _addresses(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> list[str] | None:
    """The addresses; none when the name has none of this kind; None when there is no such name."""
    try:
        answer = await resolver.resolve(name, kind, lifetime=LIFETIME_S, search=True)
    except dns.resolver.NXDOMAIN:
        return None
    except dns.resolver.NoAnswer:
        return []
    except dns.resolver.LifetimeTimeout:
        raise NameServerError(f"the name server did not answer about {name} in time") from None
    except (dns.exception.DNSException, OSError) as error:
        raise NameServerError(f"the name server could not answer about {name}: {plain(str(error), 200)}") from error
    return sorted(record.to_text() for record in answer)


def _known(call: ToolCall, found: list[str]) -> str:
    address = call.asset.address if call.asset is not None else None
    if not address or address == call.text("name"):
        return ""
    return f"the inventory says {'the same' if address in found else plain(address, 100)}"
