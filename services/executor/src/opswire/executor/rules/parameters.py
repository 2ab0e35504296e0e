"""What a tool's parameter may hold. Pure: a value is data that passes its check, or it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from opswire.contracts.types import AssetId
from opswire.executor.errors import BadArgumentError, PathRefusedError
from opswire.executor.rules.names import is_hostname, is_unit
from opswire.executor.rules.paths import check_deletable, check_path, check_writable
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

Value = str | int | bool | list[str]

TEXT_CHARACTERS_MAX = 8_000
ARGUMENTS_MAX = 64
_SHELLS = frozenset(
    {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh", "busybox", "su", "runuser", "script", "flock"}
)
# They start the program that follows among their arguments.
_STARTERS = frozenset(
    [
        "env",
        "sudo",
        "doas",
        "su",
        "runuser",
        "nohup",
        "nice",
        "ionice",
        "chrt",
        "taskset",
        "timeout",
        "time",
        "setsid",
        "stdbuf",
        "setpriv",
        "unshare",
        "nsenter",
        "chroot",
        "xargs",
        "find",
        "parallel",
        "watch",
        "flock",
        "script",
        "strace",
        "systemd-run",
        "busybox",
        "toybox",
        "exec",
        "command",
    ]
)
_SPLITS = re.compile(r"-[a-z0]*S|--split-string")
_LOADER = re.compile(r"(?:LD_\w*|PATH|IFS|ENV|BASH_ENV|SHELLOPTS|PYTHON\w*|PERL5?\w*|RUBY\w*|NODE_\w*)=")
_ASSET_ID: TypeAdapter[str] = TypeAdapter(AssetId)

ParameterType = Literal[
    "text", "integer", "boolean", "unit", "path", "writable_path", "deletable_path", "argv", "asset", "hostname", "port"
]


class Parameter(BaseModel):
    """One named argument of a tool. `min` and `max` bound an integer's value or a text's characters.

    A text holds no control characters unless `multiline` (line breaks and tabs) and does not begin with a dash unless
    `dash`: what begins with one is read as an option by the program that gets it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: ParameterType
    describes: Annotated[str, Field(min_length=3, max_length=300)]
    required: bool = True
    enum: Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    pattern: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    min: int | None = None
    max: int | None = None
    multiline: bool = False
    dash: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"is no regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _fits_its_type(self) -> Parameter:
        text_only = {"enum": self.enum, "pattern": self.pattern, "multiline": self.multiline, "dash": self.dash}
        given = [name for name, value in text_only.items() if value]
        if self.type != "text" and given:
            raise ValueError(f"{given[0]} is for the type text, not for {self.type}")
        if self.type not in ("text", "integer") and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max are for the types text and integer, not for {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        if self.type == "integer" and (self.min is None or self.max is None):
            raise ValueError("an integer needs min and max: a bound that nobody states is the one an attacker finds")
        return self


def check_arguments(tool: str, parameters: Mapping[str, Parameter], arguments: Mapping[str, Value]) -> None:
    """Raise BadArgumentError, or PathRefusedError for a path, unless the arguments are exactly what the tool takes."""
    for name in arguments:
        if name not in parameters:
            raise BadArgumentError(f"{tool} takes no argument {name[:60]!r}")
    for name, parameter in parameters.items():
        if name in arguments:
            _check(f"{name} of {tool}", parameter, arguments[name])
        elif parameter.required:
            raise BadArgumentError(f"{tool} needs the argument {name!r}: {parameter.describes}")


def check_argv(found: Value) -> list[str]:
    """The arguments of a command: a list of texts, the program first. Raises BadArgumentError for anything else."""
    if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
        raise BadArgumentError('a command is a list of its arguments, such as ["df", "-h"], never one text for a shell')
    if len(found) > ARGUMENTS_MAX:
        raise BadArgumentError(f"a command has at most {ARGUMENTS_MAX} arguments")
    if any("\0" in each for each in found):
        raise BadArgumentError("an argument of the command holds a NUL")
    if not found[0] or found[0].startswith("-") or not found[0].isprintable() or "=" in found[0]:
        raise BadArgumentError(f"{found[0][:60]!r} is not the name of a program")
    _refuse_indirection(found)
    return found


def _refuse_indirection(argv: list[str]) -> None:
    """What an approver reads is what runs: no shell with a text of its own, no loader told to load something else."""
    programs = [each.rpartition("/")[2] for each in argv]
    starters = [place for place, program in enumerate(programs) if program in _STARTERS]
    for place, program in enumerate(programs):
        # A shell is one as the program itself, and as what another program starts.
        is_started = place == 0 or (starters and starters[0] < place)
        texts = any(each.startswith(("-", "+")) and "c" in each for each in argv[place + 1 :])
        if program in _SHELLS and is_started and texts:
            raise BadArgumentError(f"{program} -c runs a text as a program; give the command's own arguments")
    if starters and any(_LOADER.match(each) for each in argv[starters[0] + 1 :]):
        raise BadArgumentError(f"{programs[starters[0]]} may not set what decides which code a program loads")
    if "env" in programs[:1] + [programs[place] for place in starters] and any(map(_SPLITS.match, argv)):
        raise BadArgumentError("env -S splits a text into a command; give the command's own arguments")


def _check(what: str, parameter: Parameter, value: Value) -> None:
    if parameter.type == "boolean":
        if not isinstance(value, bool):
            raise BadArgumentError(f"{what} is true or false, not {_shown(value)}")
    elif parameter.type in ("integer", "port"):
        _check_number(what, parameter, value)
    elif parameter.type == "argv":
        check_argv(value)
    elif not isinstance(value, str):
        raise BadArgumentError(f"{what} is a text, not {_shown(value)}")
    elif parameter.type == "text":
        _check_text(what, parameter, value)
    else:
        _check_named(what, parameter.type, value)


def _check_number(what: str, parameter: Parameter, value: Value) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadArgumentError(f"{what} is a whole number, not {_shown(value)}")
    least, most = (1, 65_535) if parameter.type == "port" else (parameter.min, parameter.max)
    if (least is not None and value < least) or (most is not None and value > most):
        raise BadArgumentError(f"{what} is between {least} and {most}, not {value}")


def _check_text(what: str, parameter: Parameter, value: str) -> None:
    most = TEXT_CHARACTERS_MAX if parameter.max is None else parameter.max
    if len(value) > most:
        raise BadArgumentError(f"{what} has at most {most} characters, not {len(value)}")
    if len(value) < (parameter.min or 0):
        raise BadArgumentError(f"{what} has at least {parameter.min} characters")
    plain = value.replace("\n", "").replace("\t", "") if parameter.multiline else value
    if not plain.isprintable():
        raise BadArgumentError(f"{what} holds control or invisible characters: {_shown(value)}")
    if value.startswith("-") and not parameter.dash:
        raise BadArgumentError(f"{what} begins with a dash, which a program reads as an option: {_shown(value)}")
    if parameter.enum is not None and value not in parameter.enum:
        raise BadArgumentError(f"{what} is one of {', '.join(parameter.enum)}, not {_shown(value)}")
    if parameter.pattern is not None and re.fullmatch(parameter.pattern, value) is None:
        raise BadArgumentError(f"{what} does not have the form it must have: {_shown(value)}")


def _check_named(what: str, kind: str, value: str) -> None:
    checks = {"path": check_path, "writable_path": check_writable, "deletable_path": check_deletable}
    if kind in checks:
        # Compared, not only checked: a path that is spelt differently from what it means hides where it leads.
        if checks[kind](value) != value:
            raise PathRefusedError(f"The path {_shown(value)} is not spelt plainly; write what it leads to.")
        return
    fits = {"unit": _is_one_unit, "hostname": is_hostname, "asset": _is_asset_id}[kind]
    if not fits(value):
        raise BadArgumentError(f"{what}: {_shown(value)} is not the name of {'an' if kind == 'asset' else 'a'} {kind}")


def _is_one_unit(value: str) -> bool:
    # To supervisorctl the word means every unit there is.
    return is_unit(value) and value.casefold() != "all"


def _is_asset_id(value: str) -> bool:
    try:
        _ASSET_ID.validate_python(value)
    except ValidationError:
        return False
    return True


def _shown(value: Value) -> str:
    return ascii(value)[:80]
