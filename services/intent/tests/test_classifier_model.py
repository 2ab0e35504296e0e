"""The numpy runtime says what scikit-learn says, reads what it should, and refuses foreign files."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from opswire.contracts.taxonomy import IntentName
from opswire.intent.classifier.labelled import digest_of, load_labelled
from opswire.intent.classifier.model import THRESHOLD, Classifier, ClassifierFileError
from opswire.intent.classifier.train import Trained, kept_calibration, save, train


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(load_labelled())


@pytest.fixture(scope="module")
def model_path(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "classifier.npz"
    save(trained, path)
    return path


@pytest.fixture(scope="module")
def classifier(model_path: Path) -> Classifier:
    return Classifier.load(model_path)


def test_the_runtime_agrees_with_scikit_learn(trained: Trained, classifier: Classifier) -> None:
    texts = [row.text for row in load_labelled()[::7]] + [
        "",
        "zzz qqq",
        "ÄÖÜ 漢字",
        "why, oh why is web-01 slow? " * 20,
    ]
    expected = trained.scores(texts)
    ours = np.array([classifier.scores(text) for text in texts])
    assert np.allclose(ours, expected, atol=1e-3)
    assert [label.value for label in classifier.labels] == list(trained.model.classes_)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("list all servers in production", "asset.list"),
        ("is checkout running on web-01?", "status.check"),
        ("show the last 20 lines of the checkout log on web-01", "logs.search"),
        ("can web-01 reach db-01 on port 6380?", "diagnose.connectivity"),
        ("resolve web-01 in dns", "diagnose.connectivity"),
        ("book me a table for two", "out_of_scope"),
        ("restart checkout on web-01", "service.restart"),
        ("how many hosts do we have in staging?", "asset.count"),
        ("what's the ip of db-01", "asset.get"),
        ("cpu on web-01", "metrics.query"),
        ("cat /etc/motd on web-01", "file.read"),
        ("what can you do?", "system.help"),
    ],
)
def test_everyday_requests_are_read_with_confidence(text: str, intent: str, classifier: Classifier) -> None:
    best = classifier.classify(text)[0]
    assert (best.name, best.probability > THRESHOLD) == (IntentName(intent), True)


def test_guesses_are_sorted_complete_and_add_up(classifier: Classifier) -> None:
    for text in ("restart it", "", "???", "x" * 8_000):
        guesses = classifier.classify(text)
        assert {guess.name for guess in guesses} == set(IntentName)
        assert sum(guess.probability for guess in guesses) == pytest.approx(1.0)
        assert all(first.probability >= second.probability for first, second in pairwise(guesses))


def test_confidence_is_worth_its_number_on_requests_held_out(trained: Trained) -> None:
    assert trained.calibration.accuracy > 0.70
    assert trained.calibration.digest == digest_of(load_labelled())


def test_running_needs_neither_scikit_learn_nor_scipy(model_path: Path) -> None:
    program = (
        "import sys; from opswire.intent.classifier.model import Classifier;"
        f"print(Classifier.load({str(model_path)!r}).classify('restart nginx')[0].name.value);"
        "print(sorted(name for name in ('sklearn', 'scipy', 'pickle_') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["service.restart", "[]"]


def test_a_foreign_or_damaged_file_is_refused(tmp_path: Path, model_path: Path) -> None:
    foreign = tmp_path / "foreign.npz"
    foreign.write_bytes(b"not an archive")
    with pytest.raises(ClassifierFileError):
        Classifier.load(foreign)
    np.savez(tmp_path / "other.npz", header=np.zeros(3))
    with pytest.raises(ClassifierFileError):
        Classifier.load(tmp_path / "other.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(model_path.read_bytes()[:-5_000])
    with pytest.raises(ClassifierFileError):
        Classifier.load(cut)


def test_another_language_is_noticed_and_shorthand_is_not(classifier: Classifier) -> None:
    for text in ("lösche bitte auf", "borra eso en", "redémarre le sur"):
        assert classifier.known_share(text) < 0.5, text
    for text in ("is it running?", "pls restrat the svc asap", "show me the error log", "hey", ""):
        assert classifier.known_share(text) >= 0.5, text


def test_the_kept_calibration_is_of_todays_requests_and_changes_nothing(trained: Trained) -> None:
    """Otherwise every first start cross-validates: `python -m opswire.intent.classifier.train --out X --calibrate`."""
    kept = kept_calibration()
    assert kept.digest == digest_of(load_labelled())
    assert kept.temperature == pytest.approx(trained.calibration.temperature, rel=1e-3)
    assert kept.accuracy == pytest.approx(trained.calibration.accuracy, abs=5e-3)
