"""The choices of training data (the setting ``training_data``), and what each of them holds."""

from __future__ import annotations

AUTO = "auto"
CHOICES = (AUTO, "labelled", "synthesised", "both", "fleet", "labelled+fleet", "synthesised+fleet", "both+fleet")


def chosen(training_data: str, simulated: bool) -> str:
    """What a choice comes to: ``auto`` is ``both+fleet``, and ``both`` for a dataset that is simulated itself."""
    if training_data != AUTO:
        return training_data
    return "both" if simulated else "both+fleet"


def uses(training_data: str, what: str) -> bool:
    """Whether a choice of training data (``training_data``) holds recorded attacks' labels, attacked copies or a fleet.

    Args:
        what: ``labelled``, ``synthesised`` or ``fleet``.
    """
    parts = training_data.split("+")
    return what in parts or (what != "fleet" and "both" in parts)
