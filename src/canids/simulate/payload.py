"""The fields that a message's payload is made of; each writes its bytes for all frames of the message at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from canids.simulate.motion import Trip

CRC_POLYNOMIAL = 0x1D  # SAE J1850
CHECKSUMS = ("sum", "xor", "crc8")
NIBBLE = "nibble"  # the sum's low half


@dataclass(frozen=True)
class Constant:
    """A byte that never changes."""

    byte: int
    value: int

    def write(self, payload: np.ndarray, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> None:
        payload[:, self.byte] = self.value


@dataclass(frozen=True)
class Counter:
    """A counter that grows by one with each frame, from a random start; below 16 it takes the low nibble only."""

    byte: int
    modulus: int

    def write(self, payload: np.ndarray, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> None:
        payload[:, self.byte] |= ((rng.integers(self.modulus) + np.arange(len(time))) % self.modulus).astype(np.uint8)


@dataclass(frozen=True)
class Signal:
    """A physical signal of the trip, quantised to one or two bytes (big-endian), with sensor noise (in steps).

    It is measured every ``hold`` seconds and repeated in between; 0 measures it for each frame.
    """

    byte: int
    size: int
    source: str
    low: float
    high: float
    noise: float
    hold: float = 0.0

    def write(self, payload: np.ndarray, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> None:
        if self.hold:
            slot, measured = np.unique(np.floor(time / self.hold), return_inverse=True)
            fresh = np.zeros((len(slot), payload.shape[1]), np.uint8)
            replace(self, hold=0.0).write(fresh, slot * self.hold, trip, rng)
            payload[:, self.byte : self.byte + self.size] = fresh[measured, self.byte : self.byte + self.size]
            return
        top = 256**self.size - 1
        steps = (trip.signal(self.source, time) - self.low) / (self.high - self.low) * top
        raw = np.clip(np.rint(steps + rng.normal(0, self.noise, len(time))), 0, top).astype(np.uint16)
        if self.size == 2:
            payload[:, self.byte] = raw >> 8
        payload[:, self.byte + self.size - 1] = raw & 0xFF


@dataclass(frozen=True)
class Flags:
    """Switches of the trip, one bit each from bit 0 on, over constant upper bits."""

    byte: int
    upper: int
    switches: tuple[str, ...]

    def write(self, payload: np.ndarray, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> None:
        payload[:, self.byte] = self.upper
        for bit, name in enumerate(self.switches):
            payload[:, self.byte] |= trip.switch(name, time).astype(np.uint8) << bit


@dataclass(frozen=True)
class Multiplex:
    """Pages of constant bytes that are sent in turn."""

    byte: int
    pages: tuple[bytes, ...]

    def write(self, payload: np.ndarray, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> None:
        page = (rng.integers(len(self.pages)) + np.arange(len(time))) % len(self.pages)
        pages = np.array([list(each) for each in self.pages], np.uint8)
        payload[:, self.byte : self.byte + pages.shape[1]] = pages[page]


@dataclass(frozen=True)
class Checksum:
    """A byte computed from all bytes before it; has to be written last."""

    byte: int
    method: str
    key: int

    def write(self, payload: np.ndarray, time: np.ndarray, trip: Trip, rng: np.random.Generator) -> None:
        payload[:, self.byte] = checksum(payload[:, : self.byte], self.method, self.key)


Field = Constant | Counter | Signal | Flags | Multiplex | Checksum


def checksum(payload: np.ndarray, method: str, key: int) -> np.ndarray:
    """(n,) uint8 checksums over (n, k) payload bytes; the key differs by message.

    Args:
        method: one of CHECKSUMS, or NIBBLE.
    """
    if method in ("sum", NIBBLE):
        total = (payload.sum(axis=1, dtype=np.uint32) + key).astype(np.uint8)
        return total & np.uint8(0x0F) if method == NIBBLE else total
    if method == "xor":
        return np.bitwise_xor.reduce(payload, axis=1) ^ np.uint8(key)
    crc = np.full(len(payload), key, np.uint8)
    for column in payload.T:
        crc = _CRC_TABLE[crc ^ column]
    return crc


def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        table = np.where(table & 0x80, (table << 1) ^ CRC_POLYNOMIAL, table << 1) & 0xFF
    return table.astype(np.uint8)


_CRC_TABLE = _crc_table()
