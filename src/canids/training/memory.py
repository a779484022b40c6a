"""The most memory that is in use while something runs."""

from __future__ import annotations

import ctypes
import gc
import threading

import psutil
import torch

INTERVAL = 0.001  # s between two looks at the process


class PeakMemory:
    """Within its context, the most memory in use: reserved on a GPU, or resident of this process, in bytes (``peak``).

    The process is looked at every millisecond, from a thread of its own: a maximum that can be set back is not to be
    had on every system.

    Args:
        limit: bytes from which ``check`` refuses to go on.
    """

    def __init__(self, device: torch.device, limit: int) -> None:
        self.device, self.limit = device, limit
        self.peak = 0

    def __enter__(self) -> PeakMemory:
        release()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._process, self._ended = psutil.Process(), threading.Event()
            self._watch = threading.Thread(target=self._look, daemon=True)
            self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.peak = torch.cuda.max_memory_reserved(self.device)
        else:
            self._ended.set()
            self._watch.join()

    def check(self) -> None:
        """Raises: MemoryError: more is in use than may be."""
        if self.peak > self.limit:
            raise MemoryError

    def _look(self) -> None:
        while True:
            self.peak = max(self.peak, self._process.memory_info().rss)
            if self._ended.wait(INTERVAL):
                return


def release() -> None:
    """Give back what is free: to the device, and, where the C library can, to the system."""
    gc.collect(1)  # what a trial leaves is young; to look through the oldest too would take longer than a trial
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
