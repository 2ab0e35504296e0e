"""`python -m opswire.intent.evaluation [FILE] --model PATH`: a report as one JSON document on standard output.

Progress goes to standard error. What cannot be done ends with status 2 and `{"error": {"message", "advice"}}`;
`opswire eval intents` shows both to a person.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from opswire.intent.adapters.trained_classifier import load_or_train
from opswire.intent.classifier.model import THRESHOLD, Classifier
from opswire.intent.evaluation.answers import answer_locally
from opswire.intent.evaluation.comparison import compare, read_report
from opswire.intent.evaluation.expectations import (
    EvaluationError,
    Expectation,
    digest_of,
    own_expectations,
    read_expectations,
)
from opswire.intent.evaluation.figures import Figures, figures

LOCAL = "local"
OWN_SET = "the project's own set"
CANNOT = 2


def report(classifier: Classifier, expectations: Sequence[Expectation], name: str, threshold: float) -> Figures:
    """The figures of the local tier over these requests, and what they were made with."""
    return figures(answer_locally(classifier, expectations), threshold) | {
        "tier": LOCAL,
        "set": name,
        "requests_digest": digest_of(expectations),
        "classifier_digest": classifier.digest,
    }


def evaluate(options: argparse.Namespace) -> Figures:
    """Do what the arguments ask. Raises EvaluationError when it cannot be done."""
    if options.tier != LOCAL:
        raise EvaluationError(
            f"{options.tier} cannot be measured: no model tier exists yet, requests are read locally", "--tier local"
        )
    if not 0.0 <= options.threshold <= 1.0:
        raise EvaluationError(f"a threshold is from 0 to 1, not {options.threshold}", f"--threshold {THRESHOLD}")
    # Everything that may be wrong with the files is said before seconds are spent on training.
    before = None if options.against is None else read_report(options.against)
    expectations = own_expectations() if options.file is None else read_expectations(options.file)
    name = OWN_SET if options.file is None else str(options.file)
    found = report(_classifier(options.model), expectations, name, options.threshold)
    return found if before is None else found | {"comparison": compare(found, before)}


def _classifier(path: Path) -> Classifier:
    # The log says that it trains, on standard output, which belongs to the report.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return load_or_train(path)
        except OSError as error:
            raise EvaluationError(f"there is no classifier: {error}", "opswire doctor") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and print the report, or the error, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m opswire.intent.evaluation", description="evaluate the intent tier")
    parser.add_argument("file", type=Path, nargs="?", help="labelled requests as JSON lines; ours when left out")
    parser.add_argument("--model", type=Path, required=True, help="the trained classifier; trained there when missing")
    parser.add_argument("--tier", default=LOCAL, choices=[LOCAL, "model", "cascade"])
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="the confidence that answers need")
    parser.add_argument("--against", type=Path, help="the report of an earlier run")
    try:
        found = evaluate(parser.parse_args(arguments))
    except EvaluationError as error:
        found = {"error": {"message": str(error), "advice": error.advice}}
    except KeyboardInterrupt:
        return 130
    print(json.dumps(found, ensure_ascii=True))  # noqa: T201
    return CANNOT if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
