"""What can go wrong with the lab."""


class LabError(Exception):
    """The lab cannot do what was asked. The message is one sentence for a person."""
