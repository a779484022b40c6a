"""What a reader is told about a log file, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canids.frames.frames import ATTACK_FREE, Frames

EXAMPLES = 10
LONGEST_EXAMPLE = 200  # characters of a rejected line that are shown

# Lines that are understood and yet become no frame. Whatever else is no frame was rejected.
ERROR_FRAME = "error frame"
REMOTE_FRAME = "remote frame"
OTHER_CHANNEL = "frame of another channel"
NO_FRAME = "comment or event"
LEFT_OUT = (ERROR_FRAME, REMOTE_FRAME, OTHER_CHANNEL, NO_FRAME)

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class ReadOptions:
    """What a log file does not tell about itself.

    Attributes:
        attack_type: name of the attack that labelled frames belong to, where the file names none.
        time_unit: of its times where the format does not fix it, a key of ``SECONDS``.
        channel: the only bus to read of a log of several (as the log names it); None reads all.
        columns: field (``timestamp``, ``arbitration_id``, ``dlc``, ``data_field``, ``attack``, ``attack_type``) →
            the file's column, where a table's header uses names of its own.
        number_base: of IDs and of bytes that have columns of their own: ``hex``, ``decimal``, or ``auto``.
        frame_interval: seconds from one frame to the next in a log without times; 0 refuses such a log.
    """

    attack_type: str = ATTACK_FREE
    time_unit: str = "s"
    channel: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    number_base: str = "auto"
    frame_interval: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What a reader made of a log file: frames in file order, and each line it could not use.

    A binary format has objects or records where a text has lines.

    Attributes:
        lines: data lines in the file; ``len(frames)`` + the rejected ones + those left out.
        rejected: reason → number of lines.
        examples: the first rejected lines as (line number, reason, text).
        left_out: a value of ``LEFT_OUT`` → number of lines.
        labelled: the file says of its frames whether they were injected.
        channels: bus → number of its frames, where the file names buses.
        notes: what else was noticed, one sentence each.
        format: name of the format.
    """

    frames: Frames
    lines: int
    rejected: dict[str, int] = field(default_factory=dict)
    examples: list[tuple[int, str, str]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    labelled: bool = False
    channels: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    format: str = ""
