"""Every package is whole: README, Dockerfile, version, tests, handlers; and READMEs say what the code says."""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from opswire.chassis.settings import ServiceSettings
from opswire.contracts.route import Route
from opswire.contracts.routes import ROUTES

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").is_file())
MEMBERS = sorted(
    path.parent for pattern in ("*/pyproject.toml", "services/*/pyproject.toml") for path in ROOT.glob(pattern)
)
CODE = re.compile(r"`([^`]+)`")


def service_folder(service: str) -> Path:
    return ROOT / "services" / service


def missing_parts(folder: Path) -> list[str]:
    """What a service must have and this folder has not."""
    package = folder / "src" / "opswire" / folder.name
    wanted = (
        folder / "README.md",
        folder / "Dockerfile",
        folder / "pyproject.toml",
        package / "__main__.py",
        package / "app.py",
        package / "handlers",
        package / "usecases",
        package / "py.typed",
    )
    missing = [str(path.relative_to(folder)) for path in wanted if not path.exists()]
    if not list((folder / "tests").glob("**/test_*.py")):
        missing.append("tests/test_*.py")
    return missing


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_whole(service: str) -> None:
    """Each service is built, deployed and understood on its own."""
    assert missing_parts(service_folder(service)) == []


def test_a_service_without_anything_is_not_whole(tmp_path: Path) -> None:
    assert "README.md" in missing_parts(tmp_path)
    assert "tests/test_*.py" in missing_parts(tmp_path)


@pytest.mark.parametrize("folder", MEMBERS, ids=[path.name for path in MEMBERS])
def test_a_package_has_a_readme_and_a_version(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["description"]
    assert (folder / "README.md").is_file()


def handlers_missing(folder: Path, routes: tuple[Route, ...]) -> list[str]:
    """Consumed routes without a handler file of their name, and handler files without a route."""
    handlers = folder / "src" / "opswire" / folder.name / "handlers"
    found = {path.stem for path in handlers.glob("*.py")} - {"__init__"}
    wanted = {route.stem for route in routes for consumer in route.consumers if consumer.service == folder.name}
    return sorted(f"handlers/{stem}.py" for stem in found ^ wanted)


@pytest.mark.parametrize("service", SERVICES)
def test_every_consumed_message_has_a_handler_of_its_name(service: str) -> None:
    """Whoever looks for what happens to a message finds it by its name."""
    assert handlers_missing(service_folder(service), ROUTES) == []


def test_a_missing_handler_is_found(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    assert handlers_missing(tmp_path / "cache", ROUTES) == ["handlers/asset_changed.py", "handlers/basis_changed.py"]


def messages_in(readme: str) -> dict[str, set[str]]:
    """The table of messages: direction to message names."""
    rows = re.findall(r"^\| (takes|sends|watches) \| (.+) \|$", readme, re.MULTILINE)
    return {direction: set(CODE.findall(cell)) for direction, cell in rows}


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_names_the_messages_of_the_routes(service: str) -> None:
    """A README that names a message which is not sent is worse than none."""
    wanted = {
        "takes": {route.stem for route in ROUTES if any(taker.service == service for taker in route.consumers)},
        "sends": {route.stem for route in ROUTES if service in route.senders},
        "watches": {route.stem for route in ROUTES if service in route.watchers},
    }
    readme = (service_folder(service) / "README.md").read_text(encoding="utf-8")
    assert messages_in(readme) == wanted, f"put services/{service}/README.md in step with contracts/routes.py"


def settings_in(readme: str) -> dict[str, str]:
    """The table of settings: variable to default, as written."""
    rows = re.findall(r"^\| `(OPSWIRE_\w+)` \| (.+?) \| .+ \|$", readme, re.MULTILINE)
    return {variable: default.strip("`") for variable, default in rows}


def shown(default: Any) -> str:
    """A default as a reader would set it in the environment."""
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default.value if isinstance(default, Enum) else default)


def settings_of(settings: type[ServiceSettings], common: bool) -> dict[str, str]:
    """The settings that a class has of its own, or all of them."""
    inherited = set() if common else set(ServiceSettings.model_fields)
    fields = {name: field for name, field in settings.model_fields.items() if name not in inherited}
    return {f"OPSWIRE_{name.upper()}": shown(field.default) for name, field in fields.items()}


def settings_class(service: str) -> type[ServiceSettings]:
    if not (service_folder(service) / "src" / "opswire" / service / "settings.py").is_file():
        return ServiceSettings
    module = importlib.import_module(f"opswire.{service}.settings")
    classes = [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__]
    (found,) = [each for each in classes if issubclass(each, ServiceSettings)]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_names_the_settings_of_the_service(service: str) -> None:
    """Settings are looked up in the README first; names and defaults there are the code's."""
    readme = (service_folder(service) / "README.md").read_text(encoding="utf-8")
    assert settings_in(readme) == settings_of(settings_class(service), common=False)


def test_the_chassis_readme_names_the_settings_of_every_service() -> None:
    readme = (ROOT / "chassis" / "README.md").read_text(encoding="utf-8")
    assert settings_in(readme) == settings_of(ServiceSettings, common=True)


def test_readme_tables_are_read_as_they_are_written() -> None:
    messages = "| takes | `one`, `two` |\n| watches | none |\n"
    settings = "| `OPSWIRE_X_S` | `5` | how long |\n| `OPSWIRE_Y` | none | what |\n"
    assert messages_in(messages) == {"takes": {"one", "two"}, "watches": set()}
    assert settings_in(settings) == {"OPSWIRE_X_S": "5", "OPSWIRE_Y": "none"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_fits_on_one_screen(service: str) -> None:
    """What is longer is not read at three in the morning."""
    readme = (service_folder(service) / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 70


def requirements_of(document: dict[str, Any]) -> set[str]:
    """Every package that a pyproject.toml asks for, for everybody, for developers or as an extra; ours left out.

    An extra of ours counts with the extras that it picks: `openai[aiohttp]` brings openai and aiohttp.
    """
    groups = document.get("dependency-groups", {}).values()
    lines = [*document["project"].get("dependencies", ()), *(line for group in groups for line in group)]
    found = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines}
    for extra in document["project"].get("optional-dependencies", {}).values():
        for line in extra:
            name, picked = re.match(r"([\w.-]+)(?:\[([^\]]*)\])?", line).groups()  # type: ignore[union-attr]
            found |= {name, *(part.strip() for part in (picked or "").split(",") if part)}
    return {name for name in found if not name.startswith("opswire")}


def requirements() -> set[str]:
    """What any of our projects asks for."""
    paths = (ROOT / "pyproject.toml", *(member / "pyproject.toml" for member in MEMBERS))
    return {name for path in paths for name in requirements_of(tomllib.loads(path.read_text(encoding="utf-8")))}


def test_extras_are_dependencies_too() -> None:
    project = {"dependencies": ["redis[hiredis]>=8"], "optional-dependencies": {"inference": ["openai[aiohttp]>=3,<4"]}}
    groups = {"dev": ["pytest>=9"]}
    assert requirements_of({"project": project, "dependency-groups": groups}) == {
        "redis",
        "openai",
        "aiohttp",
        "pytest",
    }


def test_every_dependency_says_why_it_is_there() -> None:
    record = (ROOT / "docs" / "adr" / "0001-dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", record, re.MULTILINE)
    named = {name.strip() for row in rows for name in row.split(",")} - {"dependency", "---"}
    assert requirements() - named == set(), "a new dependency needs a line in docs/adr/0001-dependencies.md"
    assert named - requirements() == set(), "these are in docs/adr/0001-dependencies.md and in no pyproject.toml"
