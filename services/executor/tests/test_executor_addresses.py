"""Which addresses tools contact: a table, because each row is an attack that worked somewhere."""

from __future__ import annotations

import socket

import pytest
from opswire.executor.adapters.endpoints import address_of, is_ours
from opswire.executor.errors import AddressRefusedError
from opswire.executor.rules.addresses import check_address
from opswire.executor.rules.names import is_hostname, is_unit

REFUSED_ALWAYS = {
    "metadata": "169.254.169.254",
    "link-local v4": "169.254.1.1",
    "link-local v6": "fe80::1",
    "end of fe80::/10": "febf::1",
    "interface named": "fe80::1%eth0",
    "global with interface": "2001:db8::1%eth0",
    "metadata of another cloud": "100.100.100.200",
    "metadata v6": "fd00:ec2::254",
    "metadata in public space": "168.63.129.16",
    "unspecified v4": "0.0.0.0",
    "this network": "0.1.2.3",
    "unspecified v6": "::",
    "multicast v4": "224.0.0.1",
    "multicast v6": "ff02::1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "site-local": "fec0::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped loopback in hexadecimal": "::ffff:7f00:1",
    "mapped metadata": "::ffff:169.254.169.254",
    "mapped metadata in hexadecimal": "::ffff:a9fe:a9fe",
    "compatible loopback": "::7f00:1",
    "NAT64 loopback": "64:ff9b::7f00:1",
    "NAT64 metadata": "64:ff9b::a9fe:a9fe",
    "local NAT64": "64:ff9b:1::a9fe:a9fe",
    "6to4 loopback": "2002:7f00:1::",
    "6to4 metadata": "2002:a9fe:a9fe::1",
    "Teredo with a loopback client": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "octal": "0177.0.0.1",
    "hexadecimal": "0x7f.0.0.1",
    "one number": "2130706433",
    "short form": "127.1",
    "leading zeros": "127.000.000.001",
    "empty": "",
    "name": "localhost",
    "user part": "user@127.0.0.1",
    "with port": "127.0.0.1:80",
    "brackets": "[::1]",
    "line break": "10.0.0.1\n",
    "full-width digits": "１２７.0.0.1",
    "enclosed digits": "①②⑦.0.0.1",
    "URL": "http://10.0.0.1/",
}
LOOPBACK = ("127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1")
CONTACTED = ("10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "8.8.8.8", "192.0.2.1", "2001:db8::1", "fd12::1")


@pytest.mark.parametrize("allow_loopback", [False, True])
@pytest.mark.parametrize("text", REFUSED_ALWAYS.values(), ids=REFUSED_ALWAYS.keys())
def test_refused_whatever_the_settings(text: str, allow_loopback: bool) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(text, allow_loopback=allow_loopback)


@pytest.mark.parametrize("text", LOOPBACK)
def test_loopback_only_for_the_lab(text: str) -> None:
    with pytest.raises(AddressRefusedError, match="this machine itself"):
        check_address(text)
    assert check_address(text, allow_loopback=True).is_loopback


@pytest.mark.parametrize("text", CONTACTED)
def test_addresses_of_networks_are_contacted(text: str) -> None:
    assert str(check_address(text)) == text


@pytest.mark.parametrize("text", ["127.1", "0x7f.1", "2130706433", "017700000001", "a b", "-x.example", "x-", "", "."])
def test_what_resolvers_read_as_addresses_is_no_name(text: str) -> None:
    assert not is_hostname(text)


@pytest.mark.parametrize("text", ["web-01", "db.example.com", "example.com.", "_sip.example.com", "4chan.org"])
def test_names(text: str) -> None:
    assert is_hostname(text)


@pytest.mark.parametrize("address", [None, "", "127.1", "$(reboot)", "-oProxyCommand=x", "http://10.0.0.1"])
async def test_an_asset_without_a_plain_address_is_not_contacted(make_asset, address: str | None) -> None:
    with pytest.raises(AddressRefusedError):
        await address_of(make_asset("web-01", address=address), allow_loopback=True)


async def test_a_name_that_stands_for_loopback_is_refused_like_loopback(make_asset) -> None:
    with pytest.raises(AddressRefusedError, match="this machine itself"):
        await address_of(make_asset("web-01", address="localhost"), allow_loopback=False)


async def test_this_machines_own_addresses_are_refused_whatever_they_are(make_asset) -> None:
    assert is_ours("127.0.0.1")
    assert not is_ours("192.0.2.1")
    own = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(socket.gethostname(), None)}
    for address in own | {"127.0.0.1"}:
        with pytest.raises(AddressRefusedError, match=r"this machine itself|link-local"):
            await address_of(make_asset("web-01", address=address), allow_loopback=False)


@pytest.mark.parametrize(
    "text",
    [
        "; reboot",
        "$(reboot)",
        "a\nreboot",
        "-oProxyCommand=x",
        "--all",
        "a\0b",
        "../../etc/shadow",
        "",
        "a b",
        "*",
        "é",
    ],
)
def test_no_unit_names(text: str) -> None:
    assert not is_unit(text)


@pytest.mark.parametrize(
    "text", ["nginx", "checkout.service", "getty@tty1.service", "group:worker_00", "dev-sda\\x2d1"]
)
def test_unit_names(text: str) -> None:
    assert is_unit(text)
