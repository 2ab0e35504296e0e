"""The ways in which a model server fails, by name: one list for the tests of the client and of the whole system."""

from __future__ import annotations

from dataclasses import dataclass

from opswire.chassis.testing.scripted_model import ScriptedModel
from opswire.chassis.testing.scripted_steps import (
    Answer,
    Cut,
    Drip,
    Fail,
    Garbage,
    Hang,
    Huge,
    Step,
    wrong_schema,
)


@dataclass(frozen=True, slots=True)
class ModelFault:
    """One of them. `is_away`: nothing is answered; otherwise an answer comes that is none."""

    name: str
    step: Step | None
    """None: nobody listens."""
    is_away: bool
    good: Answer

    def begin(self, model: ScriptedModel) -> None:
        """Let the server fail from now on."""
        if self.step is None:
            model.refuse()
        else:
            model.always(self.step)

    def end(self, model: ScriptedModel) -> None:
        """Let it be well again; calls that hang are answered."""
        model.always(self.good)
        model.listen()
        model.release()


def model_faults(good: Answer) -> tuple[ModelFault, ...]:
    """All of them. `good` is what the server says when it is well, or begins to say before it breaks."""
    steps: tuple[tuple[str, Step | None, bool], ...] = (
        ("refused connection", None, True),
        ("hang", Hang(good), True),
        ("429", Fail(429, retry_after_s=0.05), True),
        ("429 for longer than there is time", Fail(429, retry_after_s=3_600), True),
        ("500", Fail(500), True),
        ("cut answer", Cut(good), True),
        ("slow drip", Drip(good), True),
        ("garbage JSON", Garbage(), False),
        ("wrong schema", wrong_schema(), False),
        ("10 MB reply", Huge(), False),
        ("10 MB reply of no announced length", Huge(is_announced=False), False),
    )
    return tuple(ModelFault(name, step, is_away, good) for name, step, is_away in steps)
