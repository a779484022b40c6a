"""Explanations: which IDs carried an alarm, and what is said of them."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from makers import periodic
from model_makers import graphs_json, traffic

from canids.artifacts import read_json, write_json
from canids.errors import ArtifactError
from canids.evaluation.causes import MOST, Attribution, Cause, attack_free
from canids.evaluation.explain import explain
from canids.evaluation.wording import name_of, sentence
from canids.frames.parquet import write_frames
from canids.graphs.store import NODE_COLUMNS, GraphStore, save_store
from canids.graphs.windows import EXTENDED


def cause(statistic: str, key: int = 0x140, **features: float) -> Cause:
    """Features given as the logarithms that they are before the asinh."""
    return Cause(key, "known", statistic, 9.0, {name: math.asinh(value) for name, value in features.items()})


class TestSentences:
    @pytest.mark.parametrize(
        ("cause", "said"),
        [
            (cause("unseen", key=0), "0x000 is no ID that this vehicle has shown"),
            (cause("share_z", share=math.log(12)), "0x140 sends 12 times its usual share of the frames"),
            (cause("fast_max", interval_min=math.log(0.03)), "a frame of 0x140 comes after 3 % of its usual interval"),
            (
                cause("interval_mean_z", interval_min=0.1, interval_max=math.log(40)),
                "0x140 pauses for 40 times its usual interval",
            ),
            (cause("flips_max"), "bits of 0x140's payload change that usually stay"),
            (
                Cause(0x140, "known", "silence", 9.0, {"silence": math.log(20)}),
                "0x140 has been silent for 20 times its longest usual pause",
            ),
            (cause("bits_mean_z"), "0x140's payload holds bits that it usually does not"),
            (cause("transition_max"), "0x140 follows an ID that it hardly ever follows"),
        ],
        ids=lambda each: each.statistic if isinstance(each, Cause) else "",
    )
    def test_they_say_what_is_unusual(self, cause, said):
        assert sentence(cause, repeats=False) == said

    @pytest.mark.parametrize(
        ("repeats", "said"),
        [
            (True, "0x140 repeats a payload that changes 99.98 % of the time"),
            (False, "0x140 changes a payload that repeats 99.98 % of the time"),
        ],
    )
    def test_a_habit_of_the_payload_is_named_with_its_share(self, repeats, said):
        assert sentence(cause("repeat_mean_z", repeat_max=-math.log(0.0002)), repeats) == said

    def test_a_habit_kept_too_strictly_is_named_too(self):
        said = sentence(cause("repeat_mean_z", repeat_max=-math.log(0.85)), repeats=True)
        assert said == "0x140 repeats its payload in every frame"

    def test_a_29_bit_id_has_eight_digits(self):
        assert name_of(int(EXTENDED) | 0x12AB) == "0x000012AB"


class TestAttribution:
    normal = traffic(300, seed=1)

    def strange(self, node: int, column: str) -> GraphStore:
        """One window, of which a node is far out in a feature."""
        store = traffic(1, seed=2)
        store.nodes[node, NODE_COLUMNS.index(column)] = 7.0
        return store

    def test_the_id_that_is_far_out_comes_first_with_its_channel(self):
        store = self.strange(1, "own_flips_max")
        first = Attribution([self.normal]).causes(store)[0][0]
        assert (first.key, first.reading, first.statistic) == (
            int(store.ids[store.node_id[1].long()]), "own", "flips_max",
        )  # fmt: skip

    def test_low_is_as_strange_as_high(self):
        store = self.strange(1, "known_interval_min")
        store.nodes.neg_()
        first = Attribution([self.normal]).causes(store)[0][0]
        assert first.statistic == "interval_min"

    @pytest.mark.parametrize("feature", ["heard", "unsteady"])
    def test_what_an_id_is_usually_like_is_no_evidence(self, feature):
        causes = Attribution([self.normal]).causes(self.strange(0, f"own_{feature}"))[0]
        assert feature not in {each.statistic for each in causes}

    def test_the_most_surprising_come_first_and_no_more_than_three(self):
        causes = Attribution([self.normal]).causes(traffic(20, seed=3))
        assert all(len(each) <= MOST for each in causes)
        assert all(np.diff([one.surprise for one in each]).max(initial=0) <= 0 for each in causes)

    def test_a_reading_that_is_missing_carries_nothing(self):
        store = traffic(1, seed=2, blind=[0])
        assert {each.surprise for each in Attribution([self.normal]).causes(store)[0]} == {0.0}

    def test_tails_are_those_of_captures_without_an_attack(self):
        store = traffic(10, attacked=[2], capture=np.repeat([0, 1], 5))
        assert attack_free(store).capture.tolist() == [1] * 5

    def test_a_fleet_counts_only_without_captures_of_the_dataset(self):
        store = replace(traffic(10, capture=np.repeat([0, 1], 5)), captures=("fleet/a", "train/b"))
        assert attack_free(store).capture.tolist() == [1] * 5
        alone = store.select(torch.arange(5))
        assert len(attack_free(alone)) == 5

    def test_without_such_captures_they_are_those_of_quiet_windows(self):
        assert len(attack_free(traffic(10, attacked=[2]))) == 9


class TestStage:
    @pytest.fixture
    def files(self, tmp_path) -> dict:
        """A test capture of 40 windows, all of which alarm; the tenth to the twelfth are under attack."""
        test = traffic(40, seed=3, attacked=[10, 11, 12], role="test", capture=2)
        key = int(test.ids[test.node_id[test.node_start[10]].long()])
        save_store(tmp_path / "train.safetensors", traffic(200, seed=1))
        save_store(tmp_path / "test.safetensors", test)
        facts = read_json(graphs_json(tmp_path))
        span = {"start": 10.0, "end": 12.9, "kind": "DoS", "arbitration_ids": [key]}
        facts["captures"]["test/c"]["attack_spans"] = [span]
        write_json(tmp_path / "graphs.json", facts)
        write_frames(tmp_path / "test" / "c.parquet", periodic(8000, seed=1), {"scenario": "test", "capture": "c"})
        scores = {"scenario": "test", "capture": "c", "role": "test", "position": np.arange(40), "fusion_alarm": True}
        (tmp_path / "evaluation").mkdir()
        pl.DataFrame(scores).write_parquet(tmp_path / "evaluation" / "scores.parquet")
        write_json(tmp_path / "evaluation" / "metrics.json", {"scale": "student", "seed": 4})
        return {
            "train": tmp_path / "train.safetensors", "tests": [tmp_path / "test.safetensors"],
            "frames": [tmp_path / "test" / "c.parquet"], "evaluation": tmp_path / "evaluation",
            "graphs": tmp_path / "graphs.json", "profiles": tmp_path / "profiles", "out": tmp_path / "out",
        }  # fmt: skip

    def test_an_attack_is_explained_at_its_first_alarm_and_some_false_alarms_too(self, files):
        explain(**files)
        alarms = read_json(files["out"] / "explanations.json")["alarms"]
        assert [(each["start"], each["attack_type"]) for each in alarms] == [
            (10.0, "DoS"), (0.0, None), (1.0, None), (2.0, None),
        ]  # fmt: skip

    def test_how_often_the_attacked_id_is_named_is_measured_on_true_alarms(self, files):
        explain(**files)
        (row,) = read_json(files["out"] / "explanations.json")["attacked_ids"]
        assert row["true_alarms"] == 3
        assert 0 < row["named_first"] <= row["named_among_three"] <= 1

    def test_no_label_changes_a_cause(self, files):
        explain(**files)
        before = read_json(files["out"] / "explanations.json")["alarms"]
        test = traffic(40, seed=3, attacked=[10, 11, 12], role="test", capture=2)
        save_store(files["tests"][0], replace(test, label=torch.zeros_like(test.label)))
        explain(**files)
        assert read_json(files["out"] / "explanations.json")["alarms"] == before

    def test_scores_of_other_windows_are_refused(self, files):
        scores = pl.read_parquet(files["evaluation"] / "scores.parquet").head(30)
        scores.write_parquet(files["evaluation"] / "scores.parquet")
        with pytest.raises(ArtifactError, match="not the windows of test/c"):
            explain(**files)
        assert not files["out"].exists()
