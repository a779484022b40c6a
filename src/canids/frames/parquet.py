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
PAYLOAD_FD = pa.field("payload_fd", pa.binary(64), nullable=False)  # only where a frame has more than 8 bytes
FACTS = b"canids"


def write_frames(path: Path, frames: Frames, facts: dict[str, Any]) -> None:
    """Write frames and the capture's facts (JSON values) as one Parquet file, atomically."""
    columns = [
        pa.array(frames.timestamp),
        pa.array(frames.arbitration_id),
        pa.array(frames.is_extended),
        pa.array(frames.dlc),
        _binary(frames.payload),
        pa.array(frames.attack),
        pa.DictionaryArray.from_arrays(pa.array(frames.attack_type), pa.array(frames.attack_types, pa.string())),
    ]
    schema = SCHEMA
    if frames.payload_fd is not None:
        columns.append(_binary(frames.payload_fd))
        schema = schema.append(PAYLOAD_FD)
    table = pa.Table.from_arrays(columns, schema=schema.with_metadata({FACTS: json.dumps(facts).encode()}))
    with atomic_path(path, synced=False) as beside:
        pq.write_table(
            table,
            beside,
            compression="lz4",
            # Times and payloads hardly repeat, and LZ4 packs IDs and lengths as well: a dictionary of them costs time.
            use_dictionary=["attack_type"],
            use_byte_stream_split=["timestamp"],
            write_statistics=False,  # nothing looks for a frame by its values
            store_schema=True,
            write_page_checksum=True,
        )


def read_frames(path: Path) -> tuple[Frames, dict[str, Any]]:
    """Read frames and the capture's facts.

    Raises:
        ArtifactError: the file is missing, damaged or not a canonical frame table.
    """
    if not Path(path).is_file():
        raise ArtifactError(f"{path}: there is no such file; run the ingest stage (snakemake {path})")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:  # of one file, quicker than ``read_table``
            table = file.read().combine_chunks()
        facts = json.loads(table.schema.metadata[FACTS])
        long = [PAYLOAD_FD.name] if PAYLOAD_FD.name in table.column_names else []
        column = {name: table[name].chunk(0) if len(table) else table[name] for name in [*SCHEMA.names, *long]}
    except (pa.ArrowException, OSError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a canonical frame table ({error}); delete it and ingest again") from None
    types = column["attack_type"]
    return (
        Frames(
            timestamp=column["timestamp"].to_numpy(),
            arbitration_id=column["arbitration_id"].to_numpy(),
            is_extended=column["is_extended"].to_numpy(zero_copy_only=False),
            dlc=column["dlc"].to_numpy(),
            payload=_bytes(column["payload"], 8),
            attack=column["attack"].to_numpy(zero_copy_only=False).astype(bool),
            attack_type=types.indices.to_numpy(),
            attack_types=tuple(types.dictionary.to_pylist()),
            payload_fd=_bytes(column[PAYLOAD_FD.name], 64) if long else None,
        ),
        facts,
    )


def _binary(payload: np.ndarray) -> pa.FixedSizeBinaryArray:
    count, width = payload.shape
    buffers = [None, pa.py_buffer(np.ascontiguousarray(payload))]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, buffers)


def _bytes(column: pa.FixedSizeBinaryArray, width: int) -> np.ndarray:
    return np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, width)[: len(column)]
