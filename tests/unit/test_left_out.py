"""What an ablation leaves out of the features."""

import numpy as np
import pytest

from canids.graphs.left_out import leaves_out, without
from canids.graphs.readings import EDGE_FEATURES, GRAPH_FEATURES, NODE_FEATURES, Reading
from canids.graphs.statistics import CHANNELS
from canids.graphs.store import EDGE_COLUMNS, GRAPH_COLUMNS, NODE_COLUMNS, READINGS
from canids.schema import Graph

ALLOWED = Graph.__dataclass_fields__["leave_out"].metadata["choices"]


def ones():
    counts = (len(NODE_FEATURES), len(EDGE_FEATURES), len(GRAPH_FEATURES))
    return Reading(*(np.ones((2, count), np.float32) for count in counts))


def columns_at_zero(names):
    known, own = (without(reading, ones(), names) for reading in READINGS)
    parts = ((NODE_COLUMNS, "nodes"), (EDGE_COLUMNS, "edges"), (GRAPH_COLUMNS, "graphs"))
    return {
        column
        for columns, part in parts
        for column, value in zip(columns, np.concatenate([getattr(r, part) for r in (known, own)], 1)[1], strict=True)
        if value == 0
    }


def test_nothing_is_left_out_by_default():
    assert columns_at_zero([]) == set()


@pytest.mark.parametrize("name", ALLOWED)
def test_everything_that_may_be_left_out_has_columns(name):
    assert columns_at_zero([name])


def test_every_channel_may_be_left_out():
    assert set(CHANNELS) <= set(ALLOWED)


@pytest.mark.parametrize(
    ("names", "left_out", "kept"),
    [
        (["known"], ["known_present", "known_unseen", "known_transition_cost"], ["own_present"]),
        (["z"], ["known_share_z", "own_bits_max_z"], ["known_share", "own_bits_max", "own_present"]),
        (["interval"], ["own_interval_min", "known_interval_mean_z"], ["known_fast_max"]),
        (["transition"], ["own_transition_max", "known_transition_mean_z", "own_transition_cost"], ["own_holds"]),
        (["bits", "silence"], ["known_bits_max", "known_silence"], ["known_flips_max"]),
    ],
)
def test_it_is_left_out_of_nodes_edges_and_windows_of_both_readings(names, left_out, kept):
    zero = columns_at_zero(names)
    assert set(left_out) <= zero
    assert not set(kept) & zero


def test_a_name_is_no_prefix():
    assert not leaves_out("own", "known_share")
    assert not leaves_out("log", "known_silence")
