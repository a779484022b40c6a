"""What can go wrong because of the input. Each message names the file, key or line, and what to do."""


class CanidsError(Exception):
    """An error of the input, not of the program: shown as one message, never as a traceback."""

    exit_code = 2  # of the command


class ConfigError(CanidsError):
    """A setting that is unknown, of the wrong type or out of range."""


class DatasetError(CanidsError):
    """A dataset, scenario or capture that is not there or cannot be used."""


class CaptureError(CanidsError):
    """A log file that cannot be read as CAN frames."""


class CheckpointError(CanidsError):
    """A state dict that is missing, damaged or belongs to another architecture."""


class ArtifactError(CanidsError):
    """An intermediate file that is missing or damaged."""


class FetchError(CanidsError):
    """A dataset that cannot be downloaded, or is not what was expected."""
