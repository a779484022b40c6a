"""One look for every figure: colours that colour-blind readers tell apart, and SVG that is part of the page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

# Okabe and Ito's palette; a detector keeps its colour in tables, curves, timelines and the workflow's graph
COLOURS = {
    "vgae": "#009E73",
    "gat": "#0072B2",
    "fusion": "#D55E00",
    "cusum": "#7A3E9D",
    "lightgbm": "#CC79A7",
    "tail_probability": "#E69F00",
    "inter_arrival": "#56B4E9",
    "profile_rules": "#8a8a8a",
    "isolation_forest": "#222222",
}
OTHER_COLOUR = "#5f5f5f"
SPAN_COLOUR = "#f8ebc8"
INK = "#222222"
FAINT = "#8a8a8a"

SETTINGS = {
    "svg.fonttype": "none",  # text stays text: small, and it can be searched
    "text.parse_math": False,  # a name with a dollar sign is a name
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "path.simplify_threshold": 0.5,
}


def colour(detector: str) -> str:
    """The colour of a detector or of the model behind it."""
    return COLOURS.get(detector, OTHER_COLOUR)


@contextmanager
def look() -> Iterator[None]:
    """Within it, figures are drawn and saved in the report's look."""
    with mpl.rc_context(SETTINGS):
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; no window and no global state behind it."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def svg(drawn: Figure, description: str) -> Markup:
    """The figure as an ``<svg>`` element as wide as its container, at most 1.5 times its size.

    Args:
        description: for those who do not see it; another one for each figure of a page.
    """
    file = io.StringIO()
    # ids are hashes: the same figure has the same ones each time, and two figures on a page have different ones
    with mpl.rc_context({"svg.hashsalt": description}):
        drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    element = file.getvalue().partition("<svg")[2]
    # without width and height the viewBox alone sets the proportions
    head, _, body = element.partition(">")
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    label = html.escape(description, quote=True)
    widest = f"max-width:{1.5 * 72 * drawn.get_figwidth() / 16:.1f}rem"
    # groups are numbered anew in each figure, and nothing refers to them
    body = body.replace('<g id="', '<g class="')
    return Markup(f'<svg role="img" aria-label="{label}" style="{widest}"{head}>{body}')
