"""The local classifier's method on CLINC150's official splits, beside plain TF-IDF with logistic regression.

    OPSWIRE_DATA_DIR=FOLDER just bench clinc [--without-reference] [--json]

FOLDER/clinc/data_full.json is the full set of clinc/oos-eval (CC BY 3.0; Larson et al., EMNLP-IJCNLP 2019). Both are
trained on `train` and `oos_train` alone, with out of scope as one more intent. As in the intent service, a request is
refused when out of scope is the likeliest, or when the likeliest is not probable enough. The threshold is chosen on
`val`: the highest that refuses at most so many of the right answers. 1 % is the setting; the others show what it
trades. `test` and `oos_test` are only reported on.

In scope: right and not refused, of all 4,500. Out of scope: refused, of all 1,000.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from opswire.contracts.taxonomy import IntentName
from opswire.intent.classifier.labelled import Labelled
from opswire.intent.classifier.train import train
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

OUT_OF_SCOPE = "oos"
AIM_IN_SCOPE, AIM_OUT_OF_SCOPE = 0.92, 0.60
GIVEN_UP = (0.005, 0.01, 0.02)
"""Shares of the right answers on validation that a threshold may refuse."""
Floats = NDArray[np.float64]
Split = list[tuple[str, str]]


@dataclass(frozen=True)
class Label:
    """An intent of CLINC150 where the training reads `intent.value`."""

    value: str


@dataclass(frozen=True)
class Reader:
    """A trained method: its intents, the logarithms of their probabilities for texts, and how long training took."""

    name: str
    intents: list[str]
    logarithms: Callable[[Sequence[str]], Floats]
    trained_s: float


@dataclass(frozen=True)
class Read:
    """What was read in one split: the likeliest intent in scope, how probable, and whether it is right."""

    scores: Floats
    right: NDArray[np.bool_]


def ours(rows: Split) -> Reader:
    """The very training of the intent service, calibration included."""
    begun = time.perf_counter()
    trained = train([Labelled(text, cast(IntentName, Label(name)), "clinc") for text, name in rows])

    def logarithms(texts: Sequence[str]) -> Floats:
        scaled = trained.scores(texts) / trained.calibration.temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))

    return Reader("ours", [str(name) for name in trained.model.classes_], logarithms, time.perf_counter() - begun)


def reference(rows: Split) -> Reader:
    """Words only, logistic regression: what anyone would write first."""
    begun = time.perf_counter()
    model: Any = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=300))
    model.fit([text for text, _ in rows], [name for _, name in rows])
    return Reader(
        "TF-IDF + logistic regression",
        [str(name) for name in model.classes_],
        lambda texts: np.asarray(model.predict_log_proba(texts)),
        time.perf_counter() - begun,
    )


def read(reader: Reader, rows: Split) -> Read:
    """Read one split. Scores are logarithms of probabilities; where out of scope is likelier, minus infinity."""
    logarithms = reader.logarithms([text for text, _ in rows])
    outside = reader.intents.index(OUT_OF_SCOPE)
    inside = logarithms.copy()
    inside[:, outside] = -np.inf
    best = inside.argmax(axis=1)
    scores = inside.max(axis=1)
    scores = np.where(logarithms[:, outside] > scores, -np.inf, scores)
    return Read(scores, np.array([reader.intents[index] for index in best]) == [name for _, name in rows])


def threshold_on_validation(validation: Read, give_up: float) -> float:
    """The highest score that refuses at most this share of the right answers."""
    right = np.sort(validation.scores[validation.right & np.isfinite(validation.scores)])
    return float(right[int(give_up * len(right))]) - 1e-12


def measure(reader: Reader, data: dict[str, Split]) -> list[dict[str, Any]]:
    """The figures of one method, for each share given up."""
    found = {name: read(reader, data[name]) for name in ("val", "oos_val", "test", "oos_test")}
    return [_at(reader, found, give_up) for give_up in GIVEN_UP]


def _at(reader: Reader, found: dict[str, Read], give_up: float) -> dict[str, Any]:
    threshold = threshold_on_validation(found["val"], give_up)
    answered = {name: one.scores > threshold for name, one in found.items()}
    return {
        "method": reader.name,
        "give_up": give_up,
        "threshold": float(np.exp(threshold)),
        "validation_in_scope": float((found["val"].right & answered["val"]).mean()),
        "validation_out_of_scope": float((~answered["oos_val"]).mean()),
        "in_scope_unrefused": float(found["test"].right.mean()),
        "in_scope": float((found["test"].right & answered["test"]).mean()),
        "out_of_scope": float((~answered["oos_test"]).mean()),
        "trained_s": reader.trained_s,
    }


def load() -> dict[str, Split]:
    """The splits, each a list of text and intent."""
    folder = os.environ.get("OPSWIRE_DATA_DIR")
    if not folder:
        sys.exit("OPSWIRE_DATA_DIR names no folder; it must hold clinc/data_full.json")
    path = Path(folder) / "clinc" / "data_full.json"
    if not path.is_file():
        sys.exit(f"{path} is missing")
    found: dict[str, list[list[str]]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: [(text, intent) for text, intent in rows] for name, rows in found.items()}


def main() -> None:
    """Train, choose thresholds, print the figures."""
    parser = argparse.ArgumentParser(prog="just bench clinc", description="CLINC150 with the classifier's method")
    parser.add_argument("--without-reference", action="store_true", help="ours alone; the reference takes seconds more")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    options = parser.parse_args()
    data = load()
    rows = data["train"] + data["oos_train"]
    readers = [ours(rows), *([] if options.without_reference else [reference(rows)])]
    found = [row for reader in readers for row in measure(reader, data)]
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'trained on ' + str(len(rows)):30} {'given up':>8} {'threshold':>9} {'in scope':>9} {'out of scope':>13}")
    for row in found:
        print(
            f"{row['method']:30} {row['give_up']:8.1%} {row['threshold']:9.2f} {row['in_scope']:9.1%} "
            f"{row['out_of_scope']:13.1%}"
        )
    print(f"{'aim':30} {'':8} {'':9} {AIM_IN_SCOPE:9.1%} {AIM_OUT_OF_SCOPE:13.1%}")


if __name__ == "__main__":
    main()
