"""What must hold of one request after its executors died, read from the facts and from what its tools really did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opswire.executor.usecases.story import Story

DEAD = "executor"
"""Stands for a step where an executor died: none of its request's tools is at work any more."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts that stand, what was done by step, and whether people had to say yes."""

    story: Story
    effects: Counter[int]
    steps: int
    asked: bool


def findings(evidence: Evidence) -> list[str]:
    """One sentence for everything that does not hold; empty when all is well."""
    story = evidence.story
    found = [f"step {step} was done {times} times" for step, times in evidence.effects.items() if times > 1]
    if story.finish is None:
        return [*found, "there is no finish"]
    granted = story.round is not None and story.round.is_granted
    if evidence.effects and evidence.asked and not granted:
        found.append("something was done that nobody approved")
    for step in range(1, evidence.steps + 1):
        found += _of_step(evidence, step)
    return found + _of_finish(evidence)


def _of_step(evidence: Evidence, step: int) -> list[str]:
    story, done = evidence.story, evidence.effects[step]
    claim, outcome = story.claims.get(step), story.outcomes.get(step)
    found = []
    if done and claim is None:
        found.append(f"step {step} was done and never claimed")
    if claim is not None and outcome is None:
        found.append(f"step {step} was claimed and has no outcome")
    if outcome is not None and outcome.status == "succeeded" and not done:
        found.append(f"step {step} is told as done and was not")
    if outcome is not None and outcome.status == "failed" and done:
        found.append(f"step {step} is told as failed and was done")
    if claim is not None and outcome is not None and outcome.run_id != claim.run_id:
        found.append(f"step {step} has the outcome of another run than the one that claimed it")
    return found


def _of_finish(evidence: Evidence) -> list[str]:
    story, steps = evidence.story, range(1, evidence.steps + 1)
    assert story.finish is not None
    status = story.finish.status.value
    unknown = any(outcome.status == "unknown" for outcome in story.outcomes.values())
    if status == "completed" and any(not evidence.effects[step] for step in steps):
        return ["it is told as completed and something of it was not done"]
    if unknown != (status == "needs_human"):
        return [f"it ended as {status} {'although' if unknown else 'and no'} outcome is unknown"]
    if (status, story.finish.reason) == ("failed", "claim_lapsed"):
        return []  # paused for longer than its claim: not begun, which is checked step by step
    if status not in ("completed", "needs_human"):
        return [f"it ended as {status}: {story.finish.answer.summary}"]
    return []


def overlaps(lines: Iterable[Sequence[str]], stories: Mapping[str, Story]) -> list[str]:
    """One sentence for each time that two of these requests were at their one asset at once.

    A step of unknown outcome may have been: a paused executor's tool may wake when its time is long over, which is why
    people are told that it is unknown.
    """
    at_it: set[tuple[str, str]] = set()
    found = []
    for request_id, step, *end in lines:
        if request_id not in stories:
            continue
        if end:
            at_it = {each for each in at_it if each != (request_id, step) and (step != DEAD or each[0] != request_id)}
            continue
        others = {each for each in at_it if each[0] != request_id}
        at_it.add((request_id, step))
        if not any(_is_unknown(stories, *each) for each in (*others, (request_id, step))):
            found += [
                f"step {step} was begun while step {other} of another request was at the asset" for _, other in others
            ]
    return found


def _is_unknown(stories: Mapping[str, Story], request_id: str, step: str) -> bool:
    outcome = stories[request_id].outcomes.get(int(step))
    return outcome is not None and outcome.status == "unknown"
