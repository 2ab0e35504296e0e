"""Lets the tests of the repository share `rules.py` and `readmes.py`, which stand beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
