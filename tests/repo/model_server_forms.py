"""The three forms of the model server's deployment, read: what each gives to `vllm serve`."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "vllm"
UNIT = FOLDER / "opswire-vllm.service"


def settings() -> dict[str, str]:
    """vllm.env, as all three forms read it."""
    lines = (FOLDER / "vllm.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def expanded(words: list[str]) -> list[str]:
    """`${NAME}`, `${NAME:?...}` and `$(NAME)` by the settings; one that is not there stays as it is."""
    values = settings()
    pattern = re.compile(r"\$\{(\w+)(?::[?-][^}]*)?\}|\$\((\w+)\)")
    return [pattern.sub(lambda found: values.get(found[1] or found[2], found[0]), word) for word in words]


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def compose() -> dict[str, Any]:
    return dict(documents("compose.yaml")[0]["services"]["vllm"])


def unit() -> configparser.ConfigParser:
    """The unit; of a key that stands there twice the last one."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8").replace("\\\n", " "))
    return parser


def kind(name: str) -> dict[str, Any]:
    (found,) = [each for each in documents("kubernetes.yaml") if each["kind"] == name]
    return found


def container() -> dict[str, Any]:
    (found,) = kind("Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def commands() -> dict[str, list[str]]:
    """What each form gives to `vllm serve`."""
    unit_words = shlex.split(unit()["Service"]["ExecStart"])
    return {
        "compose": expanded(compose()["command"]),
        "systemd": expanded(unit_words[unit_words.index("serve") + 1 :]),
        "kubernetes": expanded(container()["args"]),
    }


def shared_flags() -> dict[str, Any]:
    return dict(documents("shared-flags.yaml")[0])
