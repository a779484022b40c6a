"""The workflow's graph: from Snakemake's dot text to a layered drawing."""

from __future__ import annotations

import itertools
import re

import networkx as nx
from markupsafe import Markup
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from canids.report.style import COLOURS, FAINT, INK, figure, svg

NODE = re.compile(r'^\s*(\d+)\s*\[\s*label\s*=\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+)\s*->\s*(\d+)", re.MULTILINE)
SWEEPS = 12
BOX_HEIGHT = 0.34
LAYER_HEIGHT = 0.74
CHARACTER = 0.082  # width of a character (in)
GAP = 0.3


def parse_dot(text: str) -> nx.DiGraph:
    """The rules and their edges (input → user) in what ``snakemake --rulegraph dot`` prints; empty without rules.

    Nodes and edges are in alphabetical order, since Snakemake prints them in another order each time.
    """
    names = dict(NODE.findall(text))
    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(names.values()))
    graph.add_edges_from(sorted((names[a], names[b]) for a, b in EDGE.findall(text)))
    return graph


def draw_rule_graph(rules: nx.DiGraph) -> Markup:
    """The rules from top to bottom; an arrow that a longer way implies is left out."""
    edges = nx.transitive_reduction(rules)
    place, waypoints = layered_layout(edges)
    left = min(x - width(rule) / 2 for rule, (x, _) in place.items())
    right = max(x + width(rule) / 2 for rule, (x, _) in place.items())
    depth = max(y for _, y in place.values())
    drawn = figure(right - left + 0.2, depth + BOX_HEIGHT + 0.2)
    drawn.set_layout_engine(None)
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left - 0.1, right + 0.1), ylim=(depth + BOX_HEIGHT / 2 + 0.1, -BOX_HEIGHT / 2 - 0.1))
    axes.set_axis_off()
    for edge in edges.edges:
        axes.add_patch(_arrow([place[edge[0]], *waypoints[edge], place[edge[1]]]))
    for rule, (x, y) in place.items():
        axes.add_patch(_box(rule, x, y))
        axes.text(x, y, rule, ha="center", va="center", color=INK, gid=f"rule-{rule}")
    return svg(drawn, f"The workflow's {len(rules)} rules and what each of them waits for")


def layered_layout(
    edges: nx.DiGraph,
) -> tuple[dict[str, tuple[float, float]], dict[tuple[str, str], list[tuple[float, float]]]]:
    """Places of the rules, and for each edge the places it passes in the layers between its ends.

    Layers are longest paths; within a layer, nodes are ordered and placed by the mean of their neighbours (Sugiyama's
    method), and an edge that skips a layer holds a place there, so that it meets no box.

    Returns:
        Centres (x, y) in inches, y downwards.
    """
    layers = [sorted(layer) for layer in nx.topological_generations(edges)]
    layer_of = {rule: number for number, layer in enumerate(layers) for rule in layer}
    chains = {edge: [(*edge, n) for n in range(layer_of[edge[0]] + 1, layer_of[edge[1]])] for edge in edges.edges}
    proper = nx.DiGraph()
    proper.add_nodes_from(edges)
    for edge, chain in chains.items():
        nx.add_path(proper, [edge[0], *chain, edge[1]])
        for waypoint in chain:
            layers[waypoint[-1]].append(waypoint)
    x = {node: float(n) for layer in layers for n, node in enumerate(layer)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            _settle(layer, x, proper.pred if down else proper.succ)
    for layer in [*layers, *reversed(layers)]:
        _settle(layer, x, nx.Graph(proper).adj)
    place = {node: (x[node], LAYER_HEIGHT * n) for n, layer in enumerate(layers) for node in layer}
    return {rule: place[rule] for rule in edges}, {edge: [place[w] for w in chain] for edge, chain in chains.items()}


def width(node: str | tuple) -> float:
    """Width (in) of a rule's box, or of the lane of an edge that passes its layer."""
    return 0.1 if isinstance(node, tuple) else CHARACTER * len(node) + 0.24


def _settle(layer: list, x: dict, neighbours) -> None:
    """Move a layer's nodes to the mean of their neighbours, in that order, without overlap."""
    wanted = {n: sum(x[m] for m in neighbours[n]) / len(neighbours[n]) if len(neighbours[n]) else x[n] for n in layer}
    layer.sort(key=lambda n: wanted[n])
    placed: list[float] = []
    for before, node in zip([None, *layer], layer, strict=False):
        least = placed[-1] + (width(before) + width(node)) / 2 + GAP if placed else wanted[node]
        placed.append(max(wanted[node], least))
    # pushing always goes to the right: the layer as a whole goes back by the mean push
    push = sum(p - wanted[n] for p, n in zip(placed, layer, strict=True)) / len(layer)
    x.update((node, at - push) for node, at in zip(layer, placed, strict=True))


def _arrow(points: list[tuple[float, float]]) -> PathPatch:
    """A smooth line through the points, vertical at each, with a head at the last box."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    points = [(x0, y0 + BOX_HEIGHT / 2), *points[1:-1], (x1, y1 - BOX_HEIGHT / 2)]
    vertices, codes = [points[0]], [Curve.MOVETO]
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        middle = (ay + by) / 2
        vertices += [(ax, middle), (bx, middle), (bx, by)]
        codes += [Curve.CURVE4] * 3
    x, y = points[-1]
    vertices += [(x - 0.035, y - 0.07), (x, y), (x + 0.035, y - 0.07)]
    codes += [Curve.MOVETO, Curve.LINETO, Curve.LINETO]
    return PathPatch(Curve(vertices, codes), fill=False, edgecolor=FAINT, linewidth=1.1, capstyle="round")


def _box(rule: str, x: float, y: float) -> FancyBboxPatch:
    edge = next((colour for name, colour in COLOURS.items() if name in rule), INK)
    corner = (x - width(rule) / 2 + 0.06, y - BOX_HEIGHT / 2 + 0.06)
    inner = (width(rule) - 0.12, BOX_HEIGHT - 0.12)
    return FancyBboxPatch(
        corner, *inner, boxstyle="round,pad=0.06", facecolor="white", edgecolor=edge, linewidth=1.4, zorder=2
    )
