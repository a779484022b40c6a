"""The page of features tells of every column, and is the one in the documentation."""

import re
from pathlib import Path

import pytest

from canids.graphs.batches import EDGE_INPUT_NAMES, NODE_INPUT_NAMES
from canids.graphs.features import feature_table
from canids.graphs.store import READINGS

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_documentation_is_what_the_command_writes():
    assert PAGE.read_text() == feature_table()


@pytest.mark.parametrize("column", sorted({*NODE_INPUT_NAMES, *EDGE_INPUT_NAMES}))
def test_every_input_of_the_models_has_a_row(column):
    name = re.sub(rf"^({'|'.join(READINGS)})_", "", column)
    assert f"\n| `{name}` |" in feature_table()
