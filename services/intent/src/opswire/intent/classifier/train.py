"""Train the local classifier from the labelled requests: `python -m opswire.intent.classifier.train --out PATH`.

Seconds on one core. The result is arrays and JSON in one npz file, written whole or not at all.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opswire.intent.classifier.features import character_features, masked, word_features
from opswire.intent.classifier.labelled import Labelled, digest_of, load_labelled
from opswire.intent.classifier.model import FORMAT_VERSION
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

FOLDS = 5
CALIBRATION_FILE = "calibration.json"
SEED = 7
PENALTY = 0.5
"""Inverse strength of regularisation, chosen by cross-validation."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What cross-validation on the rows of this digest gave: the divisor of the scores, the share that was right."""

    digest: str
    temperature: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model in scikit-learn's own objects, and what cross-validation said of it."""

    words: Any
    characters: Any
    model: Any
    calibration: Calibration
    rows: int

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """scikit-learn's decision values, one row per text, in the order of `model.classes_`."""
        features = _transform(self.words, self.characters, [masked(text) for text in texts])
        return np.asarray(self.model.decision_function(features), dtype=np.float64)


def train(labelled: Sequence[Labelled], calibration: Calibration | None = None) -> Trained:
    """Fit on all rows; calibrate on scores that each row got from models that had not seen it.

    That takes five fits more. A `calibration` of the same rows, kept from an earlier training, spares them.
    """
    texts = [masked(row.text) for row in labelled]
    labels = np.array([row.intent.value for row in labelled])
    digest = digest_of(labelled)
    words, characters, features = _vectorise(texts)
    model = _new_model().fit(features, labels)
    if calibration is None or calibration.digest != digest:
        held_out, accuracy = _held_out_scores(texts, labels)
        calibration = Calibration(digest, _fit_temperature(held_out, labels, model.classes_), accuracy)
    return Trained(words, characters, model, calibration, len(labelled))


def _new_model() -> Any:
    return LinearSVC(C=PENALTY, random_state=SEED)


def _vectorise(texts: Sequence[str]) -> tuple[Any, Any, csr_matrix]:
    words = TfidfVectorizer(analyzer=word_features, sublinear_tf=True, dtype=np.float32)
    characters = TfidfVectorizer(analyzer=character_features, sublinear_tf=True, min_df=2, dtype=np.float32)
    return words, characters, hstack([words.fit_transform(texts), characters.fit_transform(texts)], format="csr")


def _transform(words: Any, characters: Any, texts: Sequence[str]) -> csr_matrix:
    return hstack([words.transform(texts), characters.transform(texts)], format="csr")


def _held_out_scores(texts: Sequence[str], labels: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Scores of every row by a model that was fitted without it, and the share that was right."""
    scores = np.zeros((len(texts), len(np.unique(labels))))
    right = 0
    for fitted, held in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(texts, labels):
        words, characters, features = _vectorise([texts[index] for index in fitted])
        model = _new_model().fit(features, labels[fitted])
        scores[held] = model.decision_function(_transform(words, characters, [texts[index] for index in held]))
        right += int((model.classes_[scores[held].argmax(axis=1)] == labels[held]).sum())
    return scores, right / len(texts)


def _fit_temperature(scores: NDArray[np.float64], labels: NDArray[Any], classes: NDArray[Any]) -> float:
    """The divisor of the scores that makes their softmax most probable on held-out rows."""
    truth = np.searchsorted(classes, labels)

    def loss(logarithm: float) -> float:
        scaled = scores / np.exp(logarithm)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return float(-logs[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5.0, 3.0), method="bounded").x))


def save(trained: Trained, path: Path) -> None:
    """Write the model so that `Classifier.load` reads it; a reader never sees half a file."""
    header = {
        "format": FORMAT_VERSION,
        "digest": trained.calibration.digest,
        "rows": trained.rows,
        "temperature": trained.calibration.temperature,
        "labels": [str(label) for label in trained.model.classes_],
        "words": [str(word) for word in trained.words.get_feature_names_out()],
        "characters": [str(gram) for gram in trained.characters.get_feature_names_out()],
    }
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        header=np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), dtype=np.uint8),
        weights=trained.model.coef_.T.astype(np.float32),
        bias=trained.model.intercept_.astype(np.float32),
        idf=np.concatenate([trained.words.idf_, trained.characters.idf_]).astype(np.float32),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(buffer.getvalue())
    partial.replace(path)


def kept_calibration() -> Calibration:
    """The calibration that ships beside the labelled requests; of other rows, should they have changed since."""
    text = files("opswire.intent.data").joinpath(CALIBRATION_FILE).read_text(encoding="utf-8")
    return Calibration(**json.loads(text))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the project's data, save, and say in a few lines what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m opswire.intent.classifier.train", description="train the classifier"
    )
    parser.add_argument("--out", type=Path, required=True, help="the npz file to write")
    parser.add_argument("--calibrate", action="store_true", help="cross-validate anew, and keep the result in the data")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    labelled = load_labelled()
    print(f"training on {len(labelled)} requests ...", file=sys.stderr, flush=True)  # noqa: T201
    trained = train(labelled, None if options.calibrate else kept_calibration())
    save(trained, options.out)
    if options.calibrate:
        kept = Path(str(files("opswire.intent.data").joinpath(CALIBRATION_FILE)))
        kept.write_text(json.dumps(asdict(trained.calibration), indent=2) + "\n", encoding="utf-8")
    features = len(trained.words.vocabulary_) + len(trained.characters.vocabulary_)
    calibration = trained.calibration
    print(  # noqa: T201
        f"{options.out}: {len(trained.model.classes_)} intents, {features} features, "
        f"{options.out.stat().st_size / 1e6:.1f} MB, cross-validated accuracy {calibration.accuracy:.1%}, "
        f"temperature {calibration.temperature:.3f}, data {calibration.digest[:12]}, {time.monotonic() - begun:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
