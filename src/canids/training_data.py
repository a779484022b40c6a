"""The choices of training data (the setting ``training_data``), and what each of them holds."""

from __future__ import annotations

CHOICES = ("labelled", "synthesised", "both", "fleet", "labelled+fleet", "synthesised+fleet", "both+fleet")


def uses(training_data: str, what: str) -> bool:
    """Whether a choice of training data (``training_data``) holds recorded attacks' labels, attacked copies or a fleet.

    Args:
        what: ``labelled``, ``synthesised`` or ``fleet``.
    """
    parts = training_data.split("+")
    return what in parts or (what != "fleet" and "both" in parts)
