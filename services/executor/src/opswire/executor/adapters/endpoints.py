"""From an asset to the address that is contacted: checked, and pinned between check and connection."""

from __future__ import annotations

import asyncio
import socket

from opswire.contracts.findings import Asset
from opswire.executor.errors import AddressRefusedError
from opswire.executor.rules.addresses import check_address, is_address
from opswire.executor.rules.names import is_hostname


async def address_of(asset: Asset, *, allow_loopback: bool) -> str:
    """The IP address to contact for this asset, as text. A name in the inventory is resolved once, here.

    Every address that the name stands for must be one that tools may contact. Raises AddressRefusedError.
    """
    if not asset.address:
        raise AddressRefusedError(f"the inventory knows no address of {asset.name}")
    if is_address(asset.address):
        return _not_ours(str(check_address(asset.address, allow_loopback=allow_loopback)), asset, allow_loopback)
    if not is_hostname(asset.address):
        raise AddressRefusedError(f"{asset.address[:80]!r} of {asset.name} is neither an address nor a host name")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(asset.address, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressRefusedError(f"{asset.address} of {asset.name} does not resolve: {error.strerror}") from error
    checked = [check_address(str(entry[4][0]), allow_loopback=allow_loopback) for entry in found]
    if not checked:
        raise AddressRefusedError(f"{asset.address} of {asset.name} does not resolve")
    for address in checked:
        _not_ours(str(address), asset, allow_loopback)
    return str(checked[0])


def is_ours(address: str) -> bool:
    """Whether the address is one of this machine's. Nothing is sent: the system only chooses where it would send from.

    Its own services (broker, caches, our ports) trust those who are near; a tool must not be near.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == address)


def _not_ours(address: str, asset: Asset, allow_loopback: bool) -> str:
    if not allow_loopback and is_ours(address):
        raise AddressRefusedError(f"{address} of {asset.name} is this machine itself and is not contacted")
    return address
