"""What certificate an asset shows, how long it lasts, and whether it would be trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from opswire.executor.adapters.endpoints import address_of
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tcp import probe_record
from opswire.executor.rules.cells import listed, plain
from opswire.executor.rules.tools import ToolCall, ToolResult


class Tls:
    """TLS handshakes without a request behind them. A bad certificate is a finding, not a failure."""

    def __init__(self, settings: DriverSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._now = now

    async def inspect(self, call: ToolCall) -> ToolResult:
        """`verified`, `not verified` with the reason, `refused`, `no answer`, or `no tls` where none is spoken."""
        asset, port = call.needed_asset(), call.port()
        address = await address_of(asset, allow_loopback=self._settings.allow_loopback)
        name = _name_to_verify(call, address)
        loop = asyncio.get_running_loop()
        started = loop.time()
        result, detail = await self._inspect(address, port, name)
        latency_ms = round((loop.time() - started) * 1_000, 1)
        timed = latency_ms if result in ("verified", "not verified") else None
        return ToolResult((probe_record(call, asset, "tls", port, result, timed, detail),))

    async def _inspect(self, address: str, port: int, name: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s * 0.8):
                try:
                    certificate = await _handshake(address, port, name, trusted_context(self._settings.ca_file))
                    return "verified", self._described(certificate)
                except ssl.SSLCertVerificationError as error:
                    reason = error.verify_message
                # Once more without trust, only to say what was shown; nothing is sent over it.
                certificate = await _handshake(address, port, name, untrusting_context())
                return "not verified", f"{plain(reason, 200)}; {self._described(certificate)}"
        except TimeoutError:
            return "no answer", "no answer in time"
        except ConnectionRefusedError:
            return "refused", "connection refused"
        except ssl.SSLError as error:
            return "no tls", plain(error.reason or "handshake failed", 200)
        except OSError as error:
            return "no tls", plain(error.strerror or str(error) or "connection closed in the handshake", 200)

    def _described(self, der: bytes | None) -> str:
        if der is None:
            return "no certificate shown"
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = _alternative_names(certificate)
            subject = certificate.subject.rfc4514_string() or "empty subject"
            issuer = certificate.issuer.rfc4514_string() or "empty issuer"
        except ValueError:
            return "a certificate that cannot be read"
        days = (certificate.not_valid_after_utc - self._now()).days
        until = f"expires in {days} days" if days >= 0 else f"expired {-days} days ago"
        shown = f", for {listed(names)}" if names else ", for no name"
        return plain(f"{subject}{shown}, {until}, issued by {issuer}", 600)


@cache
def trusted_context(ca_file: Path | None) -> ssl.SSLContext:
    """A client context that verifies chain and name, by the system's authorities or those of `ca_file` (PEM)."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


@cache
def untrusting_context() -> ssl.SSLContext:
    """A client context that verifies nothing, for looking at a certificate; nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _handshake(address: str, port: int, name: str, context: ssl.SSLContext) -> bytes | None:
    _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return connection.getpeercert(binary_form=True)
    finally:
        writer.transport.abort()


def _name_to_verify(call: ToolCall, address: str) -> str:
    asset = call.needed_asset()
    name = asset.attributes.get("server_name") or asset.address or address
    # Python's name check takes host names and addresses; anything else would fail as an error of ours.
    return name if name.isascii() and all(0 < len(label) < 64 for label in name.split(".")) else address


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    names: list[str] = list(extension.get_values_for_type(x509.DNSName))
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network]
    addresses = list(extension.get_values_for_type(x509.IPAddress))
    return names + [str(address) for address in addresses]
