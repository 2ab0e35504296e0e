"""`python -m opswire.intent.evaluation [FILE] --model PATH`: a report as one JSON document on standard output.

Progress goes to standard error. What cannot be done ends with status 2 and `{"error": {"message", "advice"}}`;
`opswire eval intents` shows both to a person.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opswire.intent.adapters.trained_classifier import load_or_train
from opswire.intent.classifier.model import THRESHOLD, Classifier
from opswire.intent.evaluation.answers import LOCAL, Answer
from opswire.intent.evaluation.comparison import compare, read_report
from opswire.intent.evaluation.expectations import (
    EvaluationError,
    Expectation,
    digest_of,
    own_expectations,
    read_expectations,
)
from opswire.intent.evaluation.figures import Figures, figures
from opswire.intent.evaluation.local_tier import answer_locally
from opswire.intent.prompts.library import PROMPT_NAMES
from opswire.intent.settings import IntentSettings

if TYPE_CHECKING:
    from opswire.chassis.inference.configuration import InferenceConfiguration

MODEL, CASCADE = "model", "cascade"
OWN_SET = "the project's own set"
CONCURRENCY = 8
CONCURRENCY_MAX = 1_024
CANNOT = 2


def evaluate(options: argparse.Namespace) -> Figures:
    """Do what the arguments ask. Raises EvaluationError when it cannot be done."""
    _check(options)
    # Everything that may be wrong with files and settings is said before seconds are spent on training.
    configuration = None if options.tier == LOCAL else _configuration()
    before = None if options.against is None else read_report(options.against)
    expectations = own_expectations() if options.file is None else read_expectations(options.file)
    classifier = None if options.tier == MODEL else _classifier(options.model)
    answers, asked = _answers(options, configuration, classifier, expectations)
    found = figures(answers, options.threshold) | {
        "tier": options.tier,
        "set": OWN_SET if options.file is None else str(options.file),
        "requests_digest": digest_of(expectations),
        "classifier_digest": None if classifier is None else classifier.digest,
        **asked,
    }
    return found if before is None else found | {"comparison": compare(found, before)}


def _check(options: argparse.Namespace) -> None:
    for name in ("threshold", "suffices"):
        value = getattr(options, name)
        if value is not None and not 0.0 <= value <= 1.0:
            raise EvaluationError(f"a threshold is from 0 to 1, not {value}", f"--{name} {THRESHOLD}")
    if not 1 <= options.concurrency <= CONCURRENCY_MAX:
        raise EvaluationError(
            f"from 1 to {CONCURRENCY_MAX} requests can be read at once", f"--concurrency {CONCURRENCY}"
        )
    if options.tier == LOCAL and (options.prompts or options.batch is not None):
        raise EvaluationError("the local tier asks no model: it has no prompts and no batches", f"--tier {MODEL}")


def _configuration() -> InferenceConfiguration:
    from opswire.intent.evaluation.inference import configured

    return configured(os.environ)


def _answers(
    options: argparse.Namespace,
    configuration: InferenceConfiguration | None,
    classifier: Classifier | None,
    expectations: Sequence[Expectation],
) -> tuple[list[Answer], Figures]:
    """The answers, and what a report says of those who gave them."""
    if configuration is None:
        assert classifier is not None
        return answer_locally(classifier, expectations), {"prompts": None, "model": None}
    # Only here: the local tier needs no client library.
    from opswire.intent.evaluation.tiers import Plan, ask_requests

    settings = IntentSettings()
    plan = Plan(
        prompts=options.prompts or settings.prompts,
        concurrency=options.concurrency,
        threshold=options.threshold,
        classifier=classifier,
        suffices=settings.local_suffices_threshold if options.suffices is None else options.suffices,
        batch_folder=options.batch,
    )
    return asyncio.run(ask_requests(configuration, plan, expectations, _say))


def _say(line: str) -> None:
    """Progress, on standard error: standard output is the report's."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _classifier(path: Path) -> Classifier:
    try:
        return load_or_train(path)
    except OSError as error:
        raise EvaluationError(f"there is no classifier: {error}", "opswire doctor") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and print the report, or the error, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m opswire.intent.evaluation", description="evaluate the intent tier")
    parser.add_argument("file", type=Path, nargs="?", help="labelled requests as JSON lines; ours when left out")
    parser.add_argument("--model", type=Path, required=True, help="the trained classifier; trained there when missing")
    parser.add_argument("--tier", default=LOCAL, choices=[LOCAL, MODEL, CASCADE])
    parser.add_argument("--prompts", choices=PROMPT_NAMES, help="what a model is asked with")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY, help="how many requests are read at once")
    parser.add_argument("--batch", type=Path, metavar="FOLDER", help="ask in batches, remembered in this folder")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="the confidence that answers need")
    parser.add_argument("--suffices", type=float, help="the confidence from which the cascade asks no model")
    parser.add_argument("--against", type=Path, help="the report of an earlier run")
    options = parser.parse_args(arguments)
    try:
        # The log goes to standard output, which belongs to the report.
        with contextlib.redirect_stdout(sys.stderr):
            found = evaluate(options)
    except EvaluationError as error:
        found = {"error": {"message": str(error), "advice": error.advice}}
    except KeyboardInterrupt:
        return 130
    print(json.dumps(found, ensure_ascii=True))  # noqa: T201
    return CANNOT if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
