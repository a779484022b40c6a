"""The canonical frame table on disk: Parquet, with the capture's facts as file metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from canids.artifacts import atomic_path
from canids.errors import ArtifactError
from canids.frames.frames import Frames

SCHEMA = pa.schema(
    [
        pa.field("timestamp", pa.float64(), nullable=False),
        pa.field("arbitration_id", pa.uint32(), nullable=False),
        pa.field("is_extended", pa.bool_(), nullable=False),
        pa.field("dlc", pa.uint8(), nullable=False),
        pa.field("payload", pa.binary(8), nullable=False),
        pa.field("attack", pa.bool_()),
        pa.field("attack_type", pa.dictionary(pa.int8(), pa.string())),
    ]
)
FACTS = b"canids"


def write_frames(path: Path, frames: Frames, facts: dict[str, Any]) -> None:
    """Write frames and the capture's facts (JSON values) as one Parquet file, atomically."""
    payload = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(8), len(frames), [None, pa.py_buffer(np.ascontiguousarray(frames.payload))]
    )
    columns = [
        pa.array(frames.timestamp),
        pa.array(frames.arbitration_id),
        pa.array(frames.is_extended),
        pa.array(frames.dlc),
        payload,
        pa.array(frames.attack),
        pa.DictionaryArray.from_arrays(pa.array(frames.attack_type), pa.array(frames.attack_types, pa.string())),
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA.with_metadata({FACTS: json.dumps(facts).encode()}))
    with atomic_path(path) as beside:
        pq.write_table(table, beside, compression="zstd", store_schema=True)


def read_frames(path: Path) -> tuple[Frames, dict[str, Any]]:
    """Read frames and the capture's facts.

    Raises:
        ArtifactError: the file is missing, damaged or not a canonical frame table.
    """
    if not Path(path).is_file():
        raise ArtifactError(f"{path}: there is no such file; run the ingest stage (snakemake {path})")
    try:
        table = pq.read_table(path).combine_chunks()
        facts = json.loads(table.schema.metadata[FACTS])
        column = {name: table[name].chunk(0) if len(table) else table[name] for name in SCHEMA.names}
    except (pa.ArrowException, OSError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a canonical frame table ({error}); delete it and ingest again") from None
    payload = np.frombuffer(column["payload"].buffers()[1], np.uint8).reshape(-1, 8)[: len(table)]
    types = column["attack_type"]
    return (
        Frames(
            timestamp=column["timestamp"].to_numpy(),
            arbitration_id=column["arbitration_id"].to_numpy(),
            is_extended=column["is_extended"].to_numpy(zero_copy_only=False),
            dlc=column["dlc"].to_numpy(),
            payload=payload,
            attack=column["attack"].to_numpy(zero_copy_only=False).astype(bool),
            attack_type=types.indices.to_numpy(),
            attack_types=tuple(types.dictionary.to_pylist()),
        ),
        facts,
    )
