"""The dns driver against a real DNS server on loopback, the tls driver against real TLS servers."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import BadArgumentError, NameServerError
from opswire.executor.rules.tools import ToolCall
from opswire.executor.usecases.plan import make_plan
from opswire.executor.usecases.run import run_plan

ZONE = {
    ("web-01.example.test.", "A"): ["10.1.2.3"],
    ("web-01.example.test.", "AAAA"): ["2001:db8::3"],
    ("moved.example.test.", "A"): ["10.9.9.9"],
    ("mail-only.example.test.", "MX"): ["10 mx.example.test."],
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE by the real protocol; refuses `refused.`, never answers `silent.`."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        if name.startswith("silent."):
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if name.startswith("refused."):
            response.set_rcode(dns.rcode.REFUSED)
        elif (name, kind) in ZONE:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind]))
        elif not any(known == name for known, _ in ZONE):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), addr)


@pytest.fixture
async def resolve(make_asset, make_context, tmp_path: Path) -> AsyncIterator[Callable]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    drivers = Drivers(DriverSettings(tmp_path, nameservers=(f"127.0.0.1#{port}",)))

    async def ask(name: str, address: str | None = None):
        assets = [make_asset(name, address=address)] if address else []
        context = make_context("diagnose.connectivity", f"does {name} resolve in dns?", assets, [("host", name)])
        plan = make_plan(context)
        assert [step.tool for step in plan.steps] == ["dns.resolve"]
        return await run_plan(plan, context, drivers.tools, time.time_ns() + 20_000_000_000)

    yield ask
    transport.close()


@pytest.mark.parametrize(
    ("name", "address", "result", "detail"),
    [
        ("web-01.example.test", None, "resolved", "10.1.2.3 and 2001:db8::3"),
        ("web-01.example.test", "10.1.2.3", "resolved", "10.1.2.3 and 2001:db8::3; the inventory says the same"),
        ("moved.example.test", "10.1.2.3", "resolved", "10.9.9.9; the inventory says 10.1.2.3"),
        ("gone.example.test", "10.1.2.3", "no such name", "the inventory says 10.1.2.3"),
        ("mail-only.example.test", None, "no address", ""),
    ],
)
async def test_what_dns_says_beside_the_inventory(resolve, name, address, result: str, detail: str) -> None:
    answer = await resolve(name, address)
    row = dict(zip(answer.columns or [], (answer.rows or [])[0], strict=True))
    assert (row["to"], row["result"], row["detail"]) == (name, result, detail)
    assert answer.summary.startswith("Yes: " if result == "resolved" else "No: ")


async def test_a_name_server_that_refuses(resolve) -> None:
    with pytest.raises(NameServerError):
        await resolve("refused.example.test")


@pytest.mark.parametrize("name", ["127.0.0.1", "; reboot", "a b.example", "-x.example", "x\n.example", "2130706433"])
async def test_what_is_no_name_is_not_asked(make_context, drivers: Drivers, name: str) -> None:
    context = make_context("diagnose.connectivity", "dns lookup of www.example.org")
    step = make_plan(context).steps[0].model_copy(update={"arguments": {"name": name}})
    with pytest.raises(BadArgumentError):
        await drivers.tools["dns.resolve"](ToolCall(step, context))


def make_certificate(folder: Path, name: str, days: int, addresses: tuple[str, ...] = ("127.0.0.1",)) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=400))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}-{days}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def inspect(make_asset, make_context):
    async def run(certificate: Path, ca_file: Path | None, **attributes: str):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        asset = make_asset(
            "shop", "service", address="127.0.0.1", attributes={"port": str(port), "protocol": "tls"} | attributes
        )
        question = make_context("status.check", assets=[asset])
        settings = DriverSettings(certificate.parent, allow_loopback=True, ca_file=ca_file)
        async with server, Drivers(settings) as drivers:
            answer = await run_plan(make_plan(question), question, drivers.tools, time.time_ns() + 20_000_000_000)
        return (answer.rows or [])[0]

    return run


async def test_a_certificate_that_is_trusted(inspect, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "shop.example.test", 30)
    row = await inspect(certificate, certificate, server_name="shop.example.test")
    assert row[2] == "verified"
    assert "CN=shop.example.test, for shop.example.test and 127.0.0.1, expires in 30 days" in str(row[4])
    assert (await inspect(certificate, certificate))[2] == "verified"


async def test_certificates_that_are_not(inspect, tmp_path: Path) -> None:
    good = make_certificate(tmp_path, "shop.example.test", 30)
    expired = make_certificate(tmp_path, "old.example.test", -3)
    for certificate, ca_file, name, words in (
        (good, None, "shop.example.test", "self-signed certificate"),
        (good, good, "other.example.test", "Hostname mismatch"),
        (expired, expired, "old.example.test", "certificate has expired"),
    ):
        row = await inspect(certificate, ca_file, server_name=name)
        assert row[2] == "not verified"
        assert words in str(row[4])
    assert "expired 3 days ago" in str(row[4])


async def test_a_port_that_speaks_no_tls(make_asset, make_context, tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asset = make_asset("x", "service", address="127.0.0.1", attributes={"port": str(port), "protocol": "tls"})
    context = make_context("status.check", assets=[asset])
    async with server, Drivers(DriverSettings(tmp_path, allow_loopback=True)) as drivers:
        answer = await run_plan(make_plan(context), context, drivers.tools, time.time_ns() + 20_000_000_000)
    assert (answer.rows or [])[0][1:3] == ["tls", "no tls"]
