"""Where `OPSWIRE_NO_SKIPS=1` is set, as in .ci/run, nothing can be skipped without being seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = {
    "in the test": "import pytest\ndef test_one():\n    pytest.skip('no reason')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no reason')\ndef test_one():\n    assert True\n",
    "expected to fail": "import pytest\n@pytest.mark.xfail(reason='no reason')\ndef test_one():\n    assert False\n",
    "the whole file": "import pytest\npytest.skip('no reason', allow_module_level=True)\n",
    "a missing package": "import pytest\npytest.importorskip('no_such_package')\n",
}


def run_pytest(folder: Path, no_skips: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env=os.environ | {"OPSWIRE_NO_SKIPS": no_skips, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
def test_a_skip_fails_where_skips_are_refused(tmp_path: Path, sample: str) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_sample.py").write_text(sample, encoding="utf-8")
    refused = run_pytest(tmp_path, "1")
    assert refused.returncode != 0, refused.stdout
    assert "OPSWIRE_NO_SKIPS=1 refuses that" in refused.stdout


def test_skips_are_allowed_elsewhere_and_passing_tests_everywhere(tmp_path: Path) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_skipping.py").write_text(SAMPLES["in the test"], encoding="utf-8")
    (tmp_path / "test_passing.py").write_text("def test_one():\n    assert True\n", encoding="utf-8")
    assert run_pytest(tmp_path, "0").returncode == 0
    (tmp_path / "test_skipping.py").unlink()
    assert run_pytest(tmp_path, "1").returncode == 0
