"""Writes dashboards/*.json from boards.py: `python deploy/grafana/build.py`, or `check` to compare only.

A dashboard is a list of panels, a panel a title, a sentence, a unit and its queries. Grafana's JSON says the same in
two hundred lines each; nobody reads those in a review. Every query is run against real metrics by tests/telemetry.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from boards import DASHBOARDS
from panels import Panel

FOLDER = Path(__file__).parent / "dashboards"
WIDTH, HEIGHT = 8, 8
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panel_of(panel: Panel, number: int) -> dict[str, Any]:
    """A panel in Grafana's form, in its place of a grid of three columns."""
    place = {"x": number % 3 * WIDTH, "y": number // 3 * HEIGHT, "w": WIDTH, "h": HEIGHT}
    targets = [
        {
            "refId": chr(ord("A") + index),
            "expr": query,
            "legendFormat": legend or "__auto",
            "exemplar": "_bucket" in query,
        }
        for index, (legend, query) in enumerate(panel.queries)
    ]
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [{"datasource": DATASOURCE, **target} for target in targets],
    }


def dashboard(name: str) -> str:
    """One dashboard's JSON."""
    title, panels = DASHBOARDS[name]
    document = {
        "uid": f"opswire-{name}",
        "title": f"Opswire: {title}",
        "tags": ["opswire"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["opswire"], "title": "Opswire", "asDropdown": False}],
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}]
        },
        "panels": [panel_of(panel, number) for number, panel in enumerate(panels)],
    }
    return json.dumps(document, indent=1) + "\n"


def main() -> int:
    """Write, or say which file is not as it would be written."""
    stale = []
    for name in DASHBOARDS:
        path, text = FOLDER / f"{name}.json", dashboard(name)
        if sys.argv[1:] != ["check"]:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
    if stale:
        sys.stderr.write(f"run `python deploy/grafana/build.py`: {', '.join(stale)} would change\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
