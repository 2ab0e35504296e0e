"""The YAML file of model servers, read with the line of every setting, so that an error can say where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from opswire.chassis.inference.endpoint import Endpoint
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Place: TypeAlias = tuple[str | int, ...]
BYTES_MAX = 1_000_000
DEPTH_MAX = 4
ENVIRONMENT = "environment"
FALLBACK = "environment-fallback"
RESERVED = frozenset({ENVIRONMENT, FALLBACK})
"""Names of the endpoints that a process' LLM_* variables make."""
SETTINGS = frozenset(Endpoint.model_fields) - {"name"}


class ChainInFile(BaseModel):
    """The endpoints of one service in the order in which they are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
    environment: Literal["first", "last", "ignore"] = "first"
    """Where the endpoints that the service's own LLM_* variables make stand; `ignore` leaves those variables out."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: dict[Annotated[str, Field(min_length=1, max_length=64)], dict[str, Any]] = {}
    default: ChainInFile | None = None
    services: dict[str, ChainInFile] = {}


class ConfigurationFile:
    """A file that was read: what it says and on which line."""

    def __init__(self, path: Path, text: str) -> None:
        """Raises ValueError, naming file and line, where the text is not a configuration."""
        self.path = path
        self._lines: dict[Place, int] = {}
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            self._walk(root, ())
            self._document = _Document.model_validate({} if root is None else yaml.safe_load(text))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise ValueError(f"{path} line {line}: this is no YAML: {error.problem}") from error
        except ValidationError as error:
            raise ValueError(_sentence(self, error)) from error
        for name, settings in self._document.endpoints.items():
            if name in RESERVED:
                raise ValueError(f"{self.where('endpoints', name)}: {name!r} is the name of what LLM_* variables make")
            for setting in settings.keys() - SETTINGS:
                known = ", ".join(sorted(SETTINGS))
                raise ValueError(f"{self.where('endpoints', name, setting)}: there is no setting {setting!r}: {known}")
        self._check_names()

    @classmethod
    def read(cls, path: Path) -> ConfigurationFile:
        """Read a file. Raises ValueError when it cannot be read, FileNotFoundError when it is not there."""
        try:
            if path.stat().st_size > BYTES_MAX:
                raise ValueError(f"{path} is larger than {BYTES_MAX} bytes: this is no configuration")
            return cls(path, path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no UTF-8 text") from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from error

    @property
    def endpoints(self) -> dict[str, dict[str, Any]]:
        """Settings of each endpoint as they are written."""
        return self._document.endpoints

    def chain(self, service: str) -> tuple[ChainInFile, str] | None:
        """The service's chain, else the default one, and where it stands; with neither, the endpoints in order."""
        if service in self._document.services:
            return self._document.services[service], self.where("services", service)
        if self._document.default is not None:
            return self._document.default, self.where("default")
        if self.endpoints:
            return ChainInFile(chain=tuple(self.endpoints)), self.where("endpoints")
        return None

    def own_chains(self) -> dict[str, str]:
        """The services that have a chain of their own, and where it stands."""
        return {service: self.where("services", service) for service in self._document.services}

    def where(self, *place: str | int) -> str:
        """File and line of a setting, or of the nearest thing around it."""
        while place and place not in self._lines:
            place = place[:-1]
        return f"{self.path} line {self._lines.get(place, 1)}"

    def _walk(self, node: yaml.Node | None, place: Place) -> None:
        if node is None:
            return
        if len(place) > DEPTH_MAX:
            raise ValueError(f"{self.path} line {node.start_mark.line + 1}: nothing here is nested that deeply")
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*place, str(key.value))
                if inner in self._lines:
                    here = f"{self.path} line {key.start_mark.line + 1}"
                    raise ValueError(f"{here}: {key.value!r} is on line {self._lines[inner]} already")
                self._lines[inner] = key.start_mark.line + 1
                self._walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self._walk(value, (*place, number))

    def _check_names(self) -> None:
        chains = {("services", name): chain for name, chain in self._document.services.items()}
        named: dict[Place, ChainInFile] = dict(chains.items())
        if self._document.default is not None:
            named[("default",)] = self._document.default
        for place, chain in named.items():
            for number, name in enumerate(chain.chain):
                where = self.where(*place, "chain", number)
                if name not in self.endpoints:
                    known = ", ".join(self.endpoints) or "none"
                    raise ValueError(f"{where}: there is no endpoint {name!r}; there are: {known}")
                if name in chain.chain[:number]:
                    raise ValueError(f"{where}: {name!r} is in the chain twice")


def _sentence(file: ConfigurationFile, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = tuple(str(part) if not isinstance(part, int) else part for part in first["loc"])
    name = ".".join(map(str, place)) or "the document"
    return f"{file.where(*place)}: {name}: {first['msg']}"
