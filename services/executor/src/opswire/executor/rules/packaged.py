"""The catalogue that comes with this service, read once from the package's own files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.catalogue_reading import read_catalogue


def packaged_texts() -> dict[str, str]:
    """The YAML files of the package, name to text."""
    folder = files("opswire.executor") / "catalogue"
    return {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".yaml")}


@cache
def packaged_catalogue() -> Catalogue:
    """The catalogue of the package's files alone. Raises BadCatalogueError where one of them is broken."""
    return read_catalogue(packaged_texts())
