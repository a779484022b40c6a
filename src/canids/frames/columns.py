"""Chunks of parsed rows → the columns of the frame table, in memory that grows by one copy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from canids.frames.frames import ATTACK_FREE, Frames

DTYPES = {
    "timestamp": np.float64,
    "arbitration_id": np.uint32,
    "is_extended": np.bool_,
    "dlc": np.uint8,
    "payload": np.uint8,
    "attack": np.bool_,
    "attack_type": np.int8,
}
LONGEST_PAYLOAD = 64
MOST_KINDS = 100  # of attack; an int8 holds their number


class FrameColumns:
    """Collects rows that are frames (see ``lines.Parse``) chunk by chunk."""

    def __init__(self, attack_type: str) -> None:
        self.parts: dict[str, list[np.ndarray]] = {name: [] for name in DTYPES}
        self.long_payloads: list[np.ndarray | None] = []
        self.kinds = [ATTACK_FREE, attack_type]
        self.labelled = False

    def add(self, rows: pl.DataFrame) -> None:
        """Take the rows of a chunk; all of them are frames."""
        attack = rows["attack"]
        self.labelled = self.labelled or attack.null_count() < len(attack)
        attack = attack.fill_null(False).to_numpy()
        digits = rows["payload"].str.len_bytes()
        # Zero-padded on the right, eight bytes are one big-endian integer.
        packed = rows["payload"].str.slice(0, 16).str.pad_end(16, "0").str.to_integer(base=16, dtype=pl.UInt64)
        made = {
            "timestamp": rows["timestamp"],
            "arbitration_id": rows["arbitration_id"],
            "is_extended": rows["is_extended"],
            "dlc": digits // 2,
            "payload": packed.to_numpy().astype(">u8").view(np.uint8).reshape(-1, 8),
            "attack": attack,
            "attack_type": self._attack_types(rows, attack),
        }
        self._keep(made, _long_payloads(rows["payload"]) if (digits.max() or 0) > 16 else None)

    def add_labelled(self, columns: Mapping[str, np.ndarray]) -> None:
        """Take frames that all carry a label and no kind of attack, as the frame table's columns less ``attack_type``;
        no payload is over eight bytes."""
        self.labelled = True
        self._keep({**columns, "attack_type": columns["attack"]}, None)

    def _keep(self, columns: Mapping[str, Any], long_payloads: np.ndarray | None) -> None:
        for name, values in columns.items():
            self.parts[name].append(np.asarray(values).astype(DTYPES[name], copy=False))
        self.long_payloads.append(long_payloads)

    def frames(self) -> tuple[Frames, bool]:
        """The frames, and whether any row carried a label. The collected chunks are given up on the way."""
        if not self.parts["timestamp"]:
            empty = {name: np.zeros(0, dtype) for name, dtype in DTYPES.items()}
            return Frames(**{**empty, "payload": np.zeros((0, 8), np.uint8)}), self.labelled
        long_ones = any(part is not None for part in self.long_payloads)
        payloads = list(self.parts["payload"]) if long_ones else []
        whole = {}
        for name in DTYPES:
            parts = self.parts.pop(name)
            whole[name] = np.concatenate(parts) if len(parts) > 1 else parts[0]
        long = None
        if long_ones:
            long = np.concatenate(
                [
                    np.pad(short, ((0, 0), (0, LONGEST_PAYLOAD - 8))) if part is None else part
                    for short, part in zip(payloads, self.long_payloads, strict=True)
                ]
            )
        return Frames(**whole, attack_types=tuple(self.kinds), payload_fd=long), self.labelled

    def _attack_types(self, rows: pl.DataFrame, attack: np.ndarray) -> np.ndarray:
        if "kind" not in rows.columns or not attack.any():
            return attack.astype(np.int8)
        kinds = rows["kind"].fill_null(self.kinds[1])
        for kind in kinds.filter(attack).unique(maintain_order=True):
            if kind not in self.kinds and len(self.kinds) < MOST_KINDS:
                self.kinds.append(kind)
        number = {kind: place for place, kind in enumerate(self.kinds)}
        # An attack-free kind on a labelled frame says no more than that there is no better name.
        number[ATTACK_FREE] = 1
        numbers = kinds.replace_strict(number, default=1, return_dtype=pl.Int8).to_numpy()
        return np.where(attack, numbers, 0)


def _long_payloads(payload: pl.Series) -> np.ndarray:
    """(n, 64) bytes of hex digits, zero-padded."""
    joined = b"".join(payload.str.pad_end(2 * LONGEST_PAYLOAD, "0").str.decode("hex"))
    return np.frombuffer(joined, np.uint8).reshape(-1, LONGEST_PAYLOAD)
