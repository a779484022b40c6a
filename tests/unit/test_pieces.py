"""Arrays in pieces: the file is the one that safetensors itself would write of the joined arrays."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from canids.artifacts import read_names, write_tensors
from canids.pieces import TYPES, InPieces, write_pieces

ARRAYS = {name: np.arange(7).astype(name) for name in TYPES}
TABLE = np.arange(24, dtype=np.float16).reshape(8, 3)


def written(tmp_path, arrays: dict[str, InPieces], **names) -> bytes:
    write_pieces(tmp_path / "pieces.safetensors", arrays, **names)
    return (tmp_path / "pieces.safetensors").read_bytes()


def expected(tmp_path, arrays: dict[str, np.ndarray], **names) -> bytes:
    write_tensors(tmp_path / "whole.safetensors", save_file, arrays, **names)
    return (tmp_path / "whole.safetensors").read_bytes()


def whole(array: np.ndarray) -> InPieces:
    return InPieces(array.shape, [array])


class TestFile:
    def test_arrays_of_every_type_are_in_their_order(self, tmp_path):
        arrays = {name: whole(array) for name, array in ARRAYS.items()}
        assert written(tmp_path, arrays) == expected(tmp_path, ARRAYS)

    def test_arrays_of_one_type_are_ordered_by_name(self, tmp_path):
        arrays = {name: np.ones(size, np.uint8) for name, size in (("b", 3), ("a", 2), ("_", 1))}
        assert written(tmp_path, {n: whole(a) for n, a in arrays.items()}) == expected(tmp_path, arrays)

    @pytest.mark.parametrize("cuts", [[], [0], [3], [2, 2, 5], [8]])
    def test_pieces_follow_each_other(self, tmp_path, cuts):
        pieces = InPieces(TABLE.shape, np.split(TABLE, cuts))
        assert written(tmp_path, {"a": pieces}) == expected(tmp_path, {"a": TABLE})

    def test_a_piece_may_be_columns_of_another_array(self, tmp_path):
        assert written(tmp_path, {"a": whole(TABLE[:, 1:])}) == expected(tmp_path, {"a": TABLE[:, 1:].copy()})

    def test_an_array_may_be_empty(self, tmp_path):
        assert written(tmp_path, {"a": whole(TABLE[:0])}) == expected(tmp_path, {"a": TABLE[:0]})

    @pytest.mark.parametrize("name", ["x", 'quoted "x"', "ÄÖ/\n", ""])
    def test_names_are_kept_as_safetensors_keeps_them(self, tmp_path, name):
        assert written(tmp_path, {"a": whole(TABLE)}, names=[name]) == expected(tmp_path, {"a": TABLE}, names=[name])

    def test_its_checksum_is_right(self, tmp_path):
        written(tmp_path, {"a": whole(TABLE)}, captures=["x"])
        assert read_names(tmp_path / "pieces.safetensors") == {"captures": ["x"]}


def test_joined_pieces_are_the_array():
    np.testing.assert_array_equal(InPieces(TABLE.shape, np.split(TABLE, [2, 5])).joined(), TABLE)
