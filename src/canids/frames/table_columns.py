"""Which of a table's columns holds what: by name, whatever the case, the order and the publisher's habits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canids.errors import CaptureError

# Names as `plain_name` leaves them. The first of a field's names that stands in the header is taken.
ALIASES = {
    "timestamp": ("timestamp", "time", "time_stamp", "timestamps", "abs_time", "rel_time", "ts"),
    "arbitration_id": ("arbitration_id", "id", "can_id", "canid", "identifier", "message_id", "msg_id", "aid"),
    "dlc": ("dlc", "length", "len", "data_length", "payload_length"),
    "data_field": ("data_field", "data", "payload", "data_bytes", "bytes"),
    "attack": ("attack", "label", "class", "flag", "is_attack", "tag"),
    "attack_type": ("attack_type", "subclass", "sub_class", "specific_class", "category"),
}
BYTE_COLUMN = re.compile(r"(?:data|byte|b|d)_?\[?(\d{1,2})\]?")
SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class TableColumns:
    """Where the fields of a frame stand in a table.

    Attributes:
        place: field (a key of ``ALIASES``) → column number.
        payload_bytes: numbers of the columns that hold one byte each, in order; empty where ``data_field`` has all.
        count: columns of the table.
    """

    place: Mapping[str, int]
    payload_bytes: tuple[int, ...]
    count: int


def plain_name(name: str) -> str:
    """A column's name without quotes, blanks and capitals."""
    return re.sub(r"[\s\-.]+", "_", name.strip().strip("\"'").strip().lower())


def find_columns(where: str, names: Sequence[str], chosen: Mapping[str, str], untimed: bool = False) -> TableColumns:
    """Find the fields of a frame among a table's columns.

    Args:
        where: the file, for messages.
        names: the columns as the file names them.
        chosen: field → column, where the dataset's config says so.
        untimed: whether there may be no timestamp.

    Raises:
        CaptureError: a field that is needed has no column, or has two.
    """
    plain = [plain_name(name) for name in names]
    shown = ", ".join(names)[:200]
    place = {}
    for field, aliases in ALIASES.items():
        if field in chosen:
            aliases = (plain_name(chosen[field]),)
            if aliases[0] not in plain:
                raise CaptureError(f"{where}: no column {chosen[field]!r}, which is to hold {field} (found: {shown})")
        found = [alias for alias in aliases if alias in plain]
        if found:
            if plain.count(found[0]) > 1:
                raise CaptureError(f"{where}: column {found[0]} stands in the header twice")
            place[field] = plain.index(found[0])
    payload_bytes = () if "data_field" in place else _byte_columns(plain)
    needed = ["arbitration_id"] if untimed else ["timestamp", "arbitration_id"]
    missing = [field for field in needed if field not in place]
    if "data_field" not in place and not payload_bytes:
        missing.append("data_field")
    if missing:
        raise CaptureError(
            f"{where}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)} (found: {shown}); "
            "say which columns hold them in dataset.reading.columns"
        )
    return TableColumns(place, payload_bytes, len(names))


def _byte_columns(plain: Sequence[str]) -> tuple[int, ...]:
    """Columns such as data_0 … data_7, by their numbers; they have to run on without a gap from 0 or 1."""
    numbered = {}
    for place, name in enumerate(plain):
        if match := BYTE_COLUMN.fullmatch(name):
            numbered.setdefault(int(match[1]), place)
    if not numbered or len(numbered) > 64 or min(numbered) > 1:
        return ()
    in_order = sorted(numbered)
    return tuple(numbered[k] for k in in_order) if in_order == list(range(in_order[0], in_order[-1] + 1)) else ()
