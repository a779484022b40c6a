"""Which arbitration IDs and channels carried an alarm: attribution against the vehicle's profile."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from canids.evaluation.tails import NO_EVIDENCE, minus_log_p
from canids.frames.frames import of_the_fleet
from canids.graphs.store import GRAPH_COLUMNS, NODE_COLUMNS, READINGS, GraphStore

MOST = 3  # causes named for an alarm


@dataclass(frozen=True)
class Cause:
    """An ID of a window and the channel in which it surprises most.

    Attributes:
        key: arbitration ID, ``windows.EXTENDED`` set for a 29-bit one. reading: ``known`` or ``own``.
        statistic: a node feature's name without its reading. surprise: -ln of its tail probability.
        features: the ID's features in this reading, by name.
    """

    key: int
    reading: str
    statistic: str
    surprise: float
    features: dict[str, float]


class Attribution:
    """Tails of attack-free nodes, against which an ID's features are surprising or not."""

    def __init__(self, attack_free: Sequence[GraphStore]) -> None:
        nodes = np.concatenate([_defined(store) for store in attack_free])
        nodes[:, [place for place, name in enumerate(NODE_COLUMNS) if name.endswith(NO_EVIDENCE)]] = np.nan
        self.upper = [_sorted(column) for column in nodes.T]
        self.lower = [_sorted(-column) for column in nodes.T]

    def causes(self, store: GraphStore) -> list[list[Cause]]:
        """The most surprising IDs of each window of a store, at most ``MOST``, the most surprising first."""
        nodes = _defined(store)
        surprise = np.zeros(nodes.shape)
        for column, (upper, lower) in enumerate(zip(self.upper, self.lower, strict=True)):
            if len(upper):
                both = minus_log_p(upper, nodes[:, column]), minus_log_p(lower, -nodes[:, column])
                surprise[:, column] = np.nan_to_num(np.fmax(*both))
        keys, start = store.ids[store.node_id.long()].tolist(), store.node_start.tolist()
        largest = surprise.max(axis=1)
        ranked = [
            first + np.argsort(-largest[first:last], kind="stable")[:MOST] for first, last in itertools.pairwise(start)
        ]
        return [[_cause(keys[node], nodes[node], surprise[node]) for node in window] for window in ranked]


def _cause(key: int, features: np.ndarray, surprise: np.ndarray) -> Cause:
    most = int(surprise.argmax())
    reading, _, statistic = NODE_COLUMNS[most].partition("_")
    named = {
        name.partition("_")[2]: float(value)
        for name, value in zip(NODE_COLUMNS, features, strict=True)
        if name.startswith(f"{reading}_")
    }
    return Cause(key, reading, statistic, float(surprise[most]), named)


def attack_free(store: GraphStore) -> GraphStore:
    """The windows of those of the dataset's captures that hold no attack: a fleet's vehicles would blunt their tails.

    Without any, of a fleet's captures that hold none; without these, the attack-free windows.
    """
    attacked = store.capture[store.label == 1].unique()
    quiet = ~torch.isin(store.capture, attacked)
    own = quiet & torch.tensor([not of_the_fleet(key) for key in store.captures])[store.capture.long()]
    chosen = next((each for each in (own, quiet) if each.any()), store.label == 0)
    return store.select(chosen.nonzero().ravel())


def _defined(store: GraphStore) -> np.ndarray:
    """(N, len(NODE_COLUMNS)) node features, NaN where their reading is not there."""
    nodes = store.nodes.float().numpy().copy()
    window = np.repeat(np.arange(len(store)), store.nodes_per_window().numpy())
    for reading in READINGS:
        there = store.graph_features[:, GRAPH_COLUMNS.index(f"{reading}_present")].numpy() > 0
        columns = [place for place, name in enumerate(NODE_COLUMNS) if name.startswith(f"{reading}_")]
        nodes[np.ix_(~there[window], columns)] = np.nan
    return nodes


def _sorted(column: np.ndarray) -> np.ndarray:
    return np.sort(column[~np.isnan(column)])
