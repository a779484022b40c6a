"""The table of features, from the definitions beside the code that computes them."""

from __future__ import annotations

from collections.abc import Iterator

from canids.graphs.profile import NARROW
from canids.graphs.readings import EDGE_DEFINITIONS, GRAPH_DEFINITIONS, LARGEST, RAW
from canids.graphs.statistics import CHANNEL_DEFINITIONS, STATISTIC_DEFINITIONS, STATISTICS
from canids.graphs.store import READINGS

HEAD = f"""# Features

Every node, edge and window is read against a vehicle profile twice: against the *known* one of the vehicle's
attack-free training captures, and against the capture's *own*, fitted on its beginning. Columns are named
`<reading>_<feature>`, with the readings {" and ".join(f"`{reading}`" for reading in READINGS)}. All features of a
reading that is not there, and the statistics of an ID that its profile does not know, are 0. None depends on a later
frame or on a label.

This page is written by `canids features`.
"""


def feature_table() -> str:
    """Every feature with its formula, range and meaning, as a page of Markdown."""
    channels = [(name, formula) for name, formula in CHANNEL_DEFINITIONS.items()]
    return "\n".join(
        [
            HEAD,
            "## Channels of a frame\n",
            *_table(("channel", "formula"), channels),
            "\n## Node features\n",
            *_table(("feature", "formula", "range", "meaning"), _node_rows()),
            "\n## Edge features\n",
            *_table(("feature", "formula", "range", "meaning"), _edge_rows()),
            "\n## Window features, given to each of its nodes\n",
            *_table(("feature", "formula", "range", "meaning"), _rows(GRAPH_DEFINITIONS)),
            "",
        ]
    )


def _node_rows() -> Iterator[tuple[str, ...]]:
    bounds = f"-{LARGEST:g} to {LARGEST:g}"
    for name in (STATISTICS[place] for place in RAW):
        formula, meaning = STATISTIC_DEFINITIONS[name]
        yield name, f"asinh({formula})", bounds, meaning
    for name, (formula, meaning) in STATISTIC_DEFINITIONS.items():
        yield f"{name}_z", f"asinh(({formula} - the ID's centre) / its spread)", bounds, f"{meaning}, for this ID"
    yield "heard", "asinh(ln(frames that the ID's reference rests on))", "0 to 4", "how much is known of the ID"
    yield (
        "unsteady",
        f"asinh(MAD of the ID's ln interval / {NARROW:g})",
        "0 to 8",
        "how irregularly the ID sends: what comes too early on a steady one weighs more",
    )
    yield "unseen", "asinh(1) where the profile does not know the ID, else 0", "0 or 0.88", "an ID from outside"
    yield "log_frames", "ln(frames of the node); of no reading", "at least 0", "how much the ID sends"


def _edge_rows() -> Iterator[tuple[str, ...]]:
    yield from _rows(EDGE_DEFINITIONS)
    yield (
        "log_frames",
        "ln(how often the target followed the source); of no reading",
        "at least 0",
        "how frequent it is",
    )


def _rows(definitions: dict[str, tuple[str, str, str]]) -> Iterator[tuple[str, ...]]:
    return ((name, *rest) for name, rest in definitions.items())


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> list[str]:
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| `{name}` | {' | '.join(rest)} |" for name, *rest in escaped),
    ]
