"""The catalogue in force: the package's files, a team's own folder, and plugins; read again when they change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opswire.chassis.logs import get_logger
from opswire.executor.adapters.plugins import Plugin, installed_plugins
from opswire.executor.errors import BadCatalogueError
from opswire.executor.rules.catalogue import Catalogue
from opswire.executor.rules.catalogue_reading import read_catalogue
from opswire.executor.rules.packaged import packaged_texts

LOOK_EVERY_S = 0.5
FILES_MAX = 200

_Stamp = tuple[tuple[str, int, int, int], ...]


class CatalogueFiles:
    """Holds the catalogue in force. A broken file changes nothing: the catalogue before it stays, and that is said."""

    def __init__(self, folder: Path | None = None, plugins: Mapping[str, Plugin] | None = None) -> None:
        """`folder` holds a team's own YAML files. Reads everything; raises BadCatalogueError where that cannot be."""
        self._folder = folder
        self._plugins = installed_plugins() if plugins is None else plugins
        self._taken: list[Callable[[Catalogue], None]] = []
        self._stamp = self._look()
        self._faults: tuple[str, ...] = ()
        self.current = self._read()

    def on_change(self, take: Callable[[Catalogue], None]) -> None:
        """Call `take` with every catalogue before it is in force; it may raise BadCatalogueError to keep it out."""
        self._taken.append(take)

    @property
    def plugins(self) -> Mapping[str, Plugin]:
        """The plugins that tools of this catalogue may name."""
        return self._plugins

    async def watch(self) -> None:
        """Look at the folder twice a second, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.refresh()

    def refresh(self) -> bool:
        """Read again if a file changed; whether another catalogue is in force now."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            found = self._read()
            is_other = found.version != self.current.version
            if is_other:
                for take in self._taken:
                    take(found)
        except BadCatalogueError as error:
            self._faults = error.faults
            get_logger().error("the tool catalogue is broken; the one before it stays in force", faults=error.faults)
            return False
        self._faults = ()
        if is_other:
            self.current = found
            get_logger().info("another tool catalogue is in force", version=found.version[:16], tools=len(found))
        return is_other

    def state(self) -> dict[str, Any]:
        """For /health/ready: what is in force, and what is wrong with the files that are not."""
        told = {"version": self.current.version[:16], "tools": len(self.current)}
        return told | ({"broken": list(self._faults[:10])} if self._faults else {})

    def _look(self) -> _Stamp:
        """What tells one state of the folder from another; empty where there is no folder."""
        if self._folder is None:
            return ()
        try:
            with os.scandir(self._folder) as entries:
                found = [entry for entry in entries if entry.name.endswith((".yaml", ".yml"))]
                seen = [(entry.name, entry.stat()) for entry in found[: FILES_MAX + 1]]
        except OSError:
            return (("", -1, -1, -1),)
        return tuple(sorted((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in seen))

    def _read(self) -> Catalogue:
        texts = packaged_texts()
        if self._folder is not None:
            texts |= _texts_in(self._folder)
        for name, plugin in self._plugins.items():
            texts[f"plugin {name}"] = plugin.catalogue
        return read_catalogue(texts)


def _texts_in(folder: Path) -> dict[str, str]:
    """The YAML files of a folder, by their path. Raises BadCatalogueError."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
        if len(paths) > FILES_MAX:
            raise BadCatalogueError([f"{folder}: holds more than {FILES_MAX} files"])
        return {str(path): text_of(path) for path in paths}
    except OSError as error:
        raise BadCatalogueError([f"{folder}: cannot be read: {error}"]) from error


def text_of(path: Path) -> str:
    """What the file holds. Raises OSError, and BadCatalogueError where it is no UTF-8."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BadCatalogueError([f"{path}: no UTF-8 text: byte {error.start}"]) from error
