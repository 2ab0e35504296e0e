"""The drivers that a tool of the catalogue may name, and what each has to be told. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from opswire.contracts.taxonomy import Effect
from pydantic import BaseModel, ConfigDict, Field

Template = Annotated[str, Field(min_length=1, max_length=2_000)]
"""Text in which `{name}` stands for an argument of the tool."""
Argv = Annotated[list[Template], Field(min_length=1, max_length=64)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class OwnDriver(_Settings):
    """A function of ours that does exactly one thing."""

    name: Literal[
        "inventory.list",
        "inventory.count",
        "inventory.get",
        "system.help",
        "ssh.host_status",
        "ssh.unit_status",
        "ssh.host_load",
        "ssh.log_tail",
        "ssh.file_read",
        "ssh.port_check",
        "http.check",
        "tcp.connect",
        "tls.inspect",
        "dns.resolve",
        "service.start",
        "service.stop",
        "service.restart",
        "service.scale",
        "service.verify",
        "service.verify_scale",
        "command.run",
        "file.write",
        "file.replace_text",
        "file.restore",
        "file.delete",
        "file.verify",
        "file.verify_absent",
        "release.switch",
        "release.verify",
        "data.backup",
        "data.restore",
        "data.verify",
    ]


class SshCommand(_Settings):
    """A program on the asset's host. Every argument is quoted by itself, whatever it holds."""

    name: Literal["ssh.command"]
    argv: Argv
    ok: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1, max_length=16)] = [0]
    """The exit statuses with which it has done its work."""


OWN_WRITES = frozenset(
    {
        "service.start",
        "service.stop",
        "service.restart",
        "service.scale",
        "command.run",
        "file.write",
        "file.replace_text",
        "file.restore",
        "release.switch",
        "data.backup",
        "data.restore",
    }
)
OWN_DESTROYS = frozenset({"file.delete"})

Driver = Annotated[OwnDriver | SshCommand, Field(discriminator="name")]


def least_effect(driver: OwnDriver | SshCommand) -> Effect:
    """The effect that a tool over this driver has at least, whatever its entry says."""
    if driver.name in OWN_DESTROYS:
        return Effect.DESTROY
    return Effect.WRITE if driver.name in OWN_WRITES else Effect.NONE


def templates_of(driver: BaseModel) -> list[str]:
    """Every template among the driver's settings, so that the placeholders in them can be checked."""
    found: list[str] = []
    for name, value in driver:
        if name == "name":
            continue
        found += [value] if isinstance(value, str) else []
        found += [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    return found
