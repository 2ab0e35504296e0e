"""Which addresses a tool may contact. Pure: it looks at the address, never at the network."""

from __future__ import annotations

import ipaddress

from opswire.executor.errors import AddressRefusedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer any process with credentials of the machine it runs on.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# The local-use prefix of RFC 8215: where the IPv4 address sits inside is a local choice, so nothing can be judged.
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")


def check_address(text: str, *, allow_loopback: bool = False) -> Address:
    """The address in `text` if a tool may contact it. Raises AddressRefusedError with the reason.

    Loopback is refused unless `allow_loopback`; a loopback address hidden in an IPv6 form is refused always.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise AddressRefusedError(f"{_shown(text)} is not an IP address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise AddressRefusedError(f"{_shown(text)} names a network interface of ours and is not contacted")
        if address in _NAT64_LOCAL:
            raise AddressRefusedError(f"{_shown(text)} may hide any IPv4 address and is not contacted")
    if address.is_loopback:
        if allow_loopback:
            return address
        raise AddressRefusedError(f"{_shown(text)} is this machine itself and is not contacted")
    for hidden in (address, *_hidden(address)):
        reason = _refusal(hidden)
        if reason is not None:
            raise AddressRefusedError(f"{_shown(text)} is {reason} and is not contacted")
    return address


def is_address(text: str) -> bool:
    """Whether `text` is an IP address as the standard library reads it (no octal, hexadecimal or short forms)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _refusal(address: Address) -> str | None:
    if address in _METADATA:
        return "a cloud's metadata service"
    if address.is_unspecified or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK):
        return "unspecified"
    if address.is_loopback:
        return "this machine itself"
    if address.is_link_local or (isinstance(address, ipaddress.IPv6Address) and address in _SITE_LOCAL):
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if isinstance(address, ipaddress.IPv4Address) and address.is_reserved:
        return "reserved or broadcast"
    return None


def _hidden(address: Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def _shown(text: str) -> str:
    return repr(text[:80])
