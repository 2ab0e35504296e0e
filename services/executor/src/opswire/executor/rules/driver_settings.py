"""The drivers that a tool of the catalogue may name, and what each has to be told. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from opswire.contracts.taxonomy import Effect
from pydantic import BaseModel, ConfigDict, Field, model_validator

Template = Annotated[str, Field(min_length=1, max_length=2_000)]
"""Text in which `{name}` stands for an argument of the tool."""
Place = Annotated[str, Field(max_length=200)]
"""Names separated by dots that lead into a JSON document; a number leads into a list."""
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
    expect: Template | None = None
    """For a probe: what must be printed, apart from blanks around it."""


class WindowsCommand(_Settings):
    """A PowerShell command on the asset's host, over SSH. Every argument is quoted as PowerShell reads it."""

    name: Literal["windows.command"]
    argv: Argv
    """The command and its arguments; what begins with a dash and holds no placeholder is a parameter's name."""
    shows: Annotated[str, Field(pattern=r"^[A-Za-z]{1,64}$")] | None = None
    """The property of what it answers that is printed; the whole of it otherwise."""
    expect: Template | None = None
    """For a probe: what must be printed."""


class LocalCommand(_Settings):
    """A program on the machine of the executor: for the lab alone, refused everywhere else."""

    name: Literal["local.command"]
    argv: Argv
    ok: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1, max_length=16)] = [0]


class SqlQuery(_Settings):
    """A query of the asset's database, PostgreSQL or SQLite, which is told that nothing may be written.

    `{name}` is bound as a value and never becomes text of the query. Without `sql` the argument `sql` is the query.
    """

    name: Literal["sql.query"]
    sql: Annotated[str, Field(min_length=1, max_length=8_000)] | None = None
    rows_max: Annotated[int, Field(ge=1, le=500)] = 200


class PrometheusQuery(_Settings):
    """A query of the asset's Prometheus. `{name}` is written as the inside of a text in double quotes.

    Without `query` the argument `query` is the query.
    """

    name: Literal["prometheus.query"]
    query: Annotated[str, Field(min_length=1, max_length=8_000)] | None = None


class _Rest(_Settings):
    """`{name}` is escaped for where it stands: a path's segment, a query's value, a text of the body."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Annotated[str, Field(pattern=r"^/([!-.0-~][!-~]*)?$", max_length=1_000)]
    query: dict[str, Template] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    rows: Place = ""
    """Where in the answer the list stands whose items are the records; empty: the answer is the one record."""
    columns: Annotated[dict[str, Place], Field(max_length=32)] = Field(default_factory=dict)
    """Column to place within a record: names separated by dots."""
    expect: dict[Place, Template] = Field(default_factory=dict)
    """For a probe: what must stand where; asked again until it does or the time is up."""


class RestCall(_Rest):
    """A request to the HTTP endpoint of the asset: its address and port, its credential as a bearer token."""

    name: Literal["http.request"]


class KubernetesCall(_Rest):
    """A request to the API server of the asset, over TLS, with its credential as a bearer token."""

    name: Literal["kubernetes"]


class McpTool(_Settings):
    """A tool of an MCP server that a file of the catalogue names."""

    name: Literal["mcp"]
    server: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    tool: Annotated[str, Field(min_length=1, max_length=128)]


class PythonFunction(_Settings):
    """A function that an entry point of the group `opswire.tools` brings."""

    name: Literal["python"]
    plugin: Annotated[str, Field(min_length=1, max_length=100)]
    function: Annotated[str, Field(min_length=1, max_length=100)]


class McpServer(_Settings):
    """Where an MCP server is: a program to start (its arguments, no shell) or the address of one that runs.

    `environment` are references to secrets by variable; `token` is the reference of a bearer token.
    """

    command: Annotated[list[str], Field(min_length=1, max_length=64)] | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    url: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=500)] | None = None
    token: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> McpServer:
        if (self.command is None) == (self.url is None):
            raise ValueError("an MCP server has either a command or a url")
        return self


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

AnyDriver = (
    OwnDriver
    | SshCommand
    | WindowsCommand
    | LocalCommand
    | SqlQuery
    | PrometheusQuery
    | RestCall
    | KubernetesCall
    | McpTool
    | PythonFunction
)
Driver = Annotated[AnyDriver, Field(discriminator="name")]


OWN_PROBES = frozenset(
    {
        "service.verify",
        "service.verify_scale",
        "file.verify",
        "file.verify_absent",
        "release.verify",
        "data.verify",
    }
)


def gives_verdict(driver: AnyDriver) -> bool:
    """Whether a tool over this driver can say pass or fail, so that it may verify another one."""
    if isinstance(driver, SshCommand | WindowsCommand | RestCall | KubernetesCall):
        return bool(driver.expect)
    return driver.name in OWN_PROBES or isinstance(driver, PythonFunction)


def least_effect(driver: AnyDriver) -> Effect:
    """The effect that a tool over this driver has at least, whatever its entry says."""
    if driver.name in OWN_DESTROYS:
        return Effect.DESTROY
    if driver.name in OWN_WRITES:
        return Effect.WRITE
    if isinstance(driver, RestCall | KubernetesCall):
        return {"GET": Effect.NONE, "DELETE": Effect.DESTROY}.get(driver.method, Effect.WRITE)
    return Effect.NONE


def templates_of(driver: BaseModel) -> list[str]:
    """Every text among the driver's settings, so that the placeholders in them can be checked."""
    return [text for name, value in driver if name != "name" for text in _texts(value)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []
