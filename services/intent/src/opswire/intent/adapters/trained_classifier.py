"""The classifier's file: loaded, or trained first where it is missing or older than the labelled requests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from opswire.chassis.logs import get_logger
from opswire.intent.classifier.labelled import digest_of, load_labelled
from opswire.intent.classifier.model import Classifier, ClassifierFileError

TRAINING_TIMEOUT_S = 300


def load_or_train(path: Path) -> Classifier:
    """The classifier of today's labelled requests. Raises OSError with what training said when it fails."""
    wanted = digest_of(load_labelled())
    try:
        found = Classifier.load(path)
        if found.digest == wanted:
            return found
        get_logger().info("the labelled requests changed; training anew", path=str(path))
    except FileNotFoundError:
        get_logger().info("no classifier yet; training it once", path=str(path))
    except ClassifierFileError as error:
        get_logger().warning("unusable classifier; training anew", path=str(path), reason=str(error))
    _train_apart(path)
    return Classifier.load(path)


def _train_apart(path: Path) -> None:
    """Train in a process of its own: scikit-learn's 150 MB leave with it."""
    command = [sys.executable, "-m", "opswire.intent.classifier.train", "--out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TRAINING_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"training the classifier failed: {done.stderr.strip()[-500:]}")
    get_logger().info("classifier trained", summary=done.stdout.strip())
