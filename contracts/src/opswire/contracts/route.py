"""What a route is: one message, its subject, its stream, who sends it and who takes it."""

from __future__ import annotations

from dataclasses import dataclass

from opswire.contracts.message import Message, message_type


@dataclass(frozen=True, slots=True)
class Consumer:
    """One durable consumer: the service whose replicas share it, and its name on the broker."""

    service: str
    durable: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where one message travels. `template` names its variables in braces; each stands for one subject token.

    `watchers` read it without a durable consumer: each on its own, from wherever it likes.
    """

    message: type[Message]
    template: str
    stream: str
    senders: tuple[str, ...]
    consumers: tuple[Consumer, ...] = ()
    once: bool = False
    ends_request: bool = False
    watchers: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The message's name in schemas, examples and handler files."""
        return self.message.STEM

    @property
    def type(self) -> str:
        """The CloudEvents type that its messages carry."""
        return message_type(self.message)

    @property
    def wildcard(self) -> str:
        """The subject with `*` for every variable: what a consumer filters on."""
        return ".".join("*" if token.startswith("{") else token for token in self.template.split("."))

    def subject(self, **variables: str) -> str:
        """The concrete subject. Raises KeyError for a variable that is not given."""
        return self.template.format(**variables)

    def variables(self, subject: str) -> dict[str, str]:
        """The variables read back from a subject. Raises ValueError when it is not one of this route's."""
        tokens, parts = subject.split("."), self.template.split(".")
        if len(tokens) != len(parts):
            raise ValueError(f"{subject!r} is not {self.template!r}")
        found: dict[str, str] = {}
        for token, part in zip(tokens, parts, strict=True):
            if part.startswith("{"):
                found[part[1:-1]] = token
            elif token != part:
                raise ValueError(f"{subject!r} is not {self.template!r}")
        return found

    def consumer_of(self, service: str) -> Consumer:
        """The durable consumer of a service. Raises LookupError when the table gives it none."""
        for consumer in self.consumers:
            if consumer.service == service:
                return consumer
        raise LookupError(f"{service} takes no {self.stem}; add it to the route in contracts/routes.py")
