"""Attacks synthesised on attack-free captures: labelled where they are, and drawn anew for every copy."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from makers import frames_of, rng
from omegaconf import OmegaConf

from canids.errors import DatasetError
from canids.frames.content import content_sha256
from canids.frames.frames import SYNTHESISED, Frames
from canids.frames.parquet import read_frames, write_frames
from canids.schema import Synthesis
from canids.simulate.attacks import ATTACK_KINDS, SUPPRESSION
from canids.simulate.synthesis import attack_randomly, synthesise
from canids.simulate.traffic import drive

SETTINGS = OmegaConf.structured(Synthesis)
INJECTING = ("DoS", "fuzzing", "spoofing")


def given(**settings) -> OmegaConf:
    return OmegaConf.merge(SETTINGS, settings)


def only(kind: str) -> dict:
    """Shares that leave one kind of attack alone."""
    return {each.lower(): float(each == kind) for each in ATTACK_KINDS}


@pytest.fixture(scope="module")
def long_drive(vehicle) -> Frames:
    return drive(vehicle, 25.0, rng(6))


@pytest.fixture(scope="module")
def attacked(long_drive) -> list[tuple[Frames, list]]:
    return [attack_randomly(long_drive, SETTINGS, rng(seed)) for seed in range(16)]


def seconds(frames: Frames) -> np.ndarray:
    return frames.timestamp - frames.timestamp[0]


class TestAttacks:
    def test_every_labelled_frame_lies_in_a_span_of_its_kind(self, attacked):
        for frames, spans in attacked:
            kinds = np.array(frames.attack_types)[frames.attack_type]
            covered = np.zeros(len(frames), bool)
            for span in spans:
                inside = (seconds(frames) >= span.start - 1e-9) & (seconds(frames) <= span.end + 1e-9)
                covered |= inside & (kinds == span.kind)
            assert covered[frames.attack].all()

    def test_every_span_that_injects_holds_a_labelled_frame(self, attacked):
        for frames, spans in attacked:
            for span in (each for each in spans if each.kind != SUPPRESSION):
                inside = (seconds(frames) >= span.start - 1e-9) & (seconds(frames) <= span.end + 1e-9)
                assert frames.attack[inside].any()

    def test_attacks_come_one_after_another(self, attacked):
        for _, spans in attacked:
            starts = [span.start for span in spans]
            assert starts == sorted(starts)

    def test_a_suppression_is_over_before_the_next_attack_injects(self, attacked):
        """Else its windows would count as attack-free: only a span that injects nothing labels whole windows."""
        for frames, spans in attacked:
            for span in (each for each in spans if each.kind == SUPPRESSION):
                inside = (seconds(frames) >= span.start) & (seconds(frames) <= span.end)
                assert not frames.attack[inside].any()

    @pytest.mark.parametrize("share", [0.1, 0.4])
    def test_no_attack_takes_more_than_its_share(self, long_drive, share):
        settings = given(largest_share=share)
        spans = [span for seed in range(6) for span in attack_randomly(long_drive, settings, rng(seed))[1]]
        assert max(span.end - span.start for span in spans) < share * seconds(long_drive)[-1] + 0.5

    def test_all_kinds_occur(self, attacked):
        assert {span.kind for _, spans in attacked for span in spans} == set(ATTACK_KINDS)

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_so_many_copies_as_asked_for_are_attacked_in_their_first_second(self, long_drive, share):
        settings = given(from_the_start=share, fewest_frames=1, shares=only("DoS"), longest_gap=0.1, rare=0)
        first = [attack_randomly(long_drive, settings, rng(seed))[1][0].start for seed in range(8)]
        assert np.mean(np.array(first) < 1) == share

    @pytest.mark.parametrize("kind", ATTACK_KINDS)
    def test_a_kind_alone_can_be_asked_for(self, long_drive, kind):
        spans = [s for seed in range(3) for s in attack_randomly(long_drive, given(shares=only(kind)), rng(seed))[1]]
        assert {span.kind for span in spans} == {kind}

    @pytest.mark.parametrize("kind", INJECTING)
    def test_rare_attacks_leave_at_most_two_frames_among_a_hundred_on_average(self, long_drive, kind):
        for seed in range(6):
            frames, spans = attack_randomly(long_drive, given(rare=1, shares=only(kind)), rng(seed))
            for span in spans:
                inside = (seconds(frames) >= span.start) & (seconds(frames) <= span.end)
                assert frames.attack[inside].sum() <= 1 + 2.5 * inside.sum() / 100

    def test_a_slow_attack_lasts_for_several_frames(self, long_drive):
        settings = given(rare=1, shortest_span=0.1, longest_span=0.1, longest_gap=0.5, shares=only("spoofing"))
        spans = [span for seed in range(6) for span in attack_randomly(long_drive, settings, rng(seed))[1]]
        lasting = [span.end - span.start for span in spans if span.end < 20]
        assert max(lasting) > 1

    def test_paces_run_from_a_saturated_bus_to_a_frame_now_and_then(self, long_drive):
        rates = []
        for seed in range(24):
            frames, spans = attack_randomly(long_drive, given(shares=only("DoS")), rng(seed))
            for span in spans:
                inside = (seconds(frames) >= span.start) & (seconds(frames) <= span.end)
                rates.append(frames.attack[inside].sum() / (span.end - span.start + 1))
        assert max(rates) > 1000 and min(rates) < 3

    def test_the_given_frames_stay_as_they_were(self, long_drive):
        before = content_sha256(long_drive), long_drive.attack.copy()
        attack_randomly(long_drive, SETTINGS, rng(1))
        assert content_sha256(long_drive) == before[0] and np.array_equal(long_drive.attack, before[1])

    def test_frames_stay_in_time_order(self, attacked):
        assert all((np.diff(frames.timestamp) >= 0).all() for frames, _ in attacked)

    def test_the_clock_stays_that_of_the_capture(self, attacked, long_drive):
        assert {frames.timestamp[0] for frames, _ in attacked} == {long_drive.timestamp[0]}

    def test_the_same_generator_gives_the_same_attacks(self, long_drive):
        one, other = (attack_randomly(long_drive, SETTINGS, rng(5)) for _ in range(2))
        assert (content_sha256(one[0]), one[1]) == (content_sha256(other[0]), other[1])


@pytest.fixture
def capture(tmp_path, long_drive) -> Path:
    """An ingested attack-free capture."""
    facts = {
        "scenario": "train_01", "capture": "attack-free-tango", "vehicle": "tango", "attack_type": "attack-free",
        "content_sha256": content_sha256(long_drive), "duration_s": float(seconds(long_drive)[-1]),
        "frames": len(long_drive), "attack_spans": [],
    }  # fmt: skip
    write_frames(tmp_path / "capture.parquet", long_drive, facts)
    return tmp_path / "capture.parquet"


def made(capture: Path, name: str, seed: int = 0, number: int = 0) -> tuple[Frames, dict]:
    out = capture.with_name(f"{name}.parquet")
    synthesise(capture, out, given(seed=seed), number)
    return read_frames(out)


class TestFile:
    def test_the_same_seed_and_number_give_the_same_file(self, capture):
        made(capture, "one")
        made(capture, "other")
        assert capture.with_name("one.parquet").read_bytes() == capture.with_name("other.parquet").read_bytes()

    @pytest.mark.parametrize("drawn", [{"seed": 1}, {"number": 1}])
    def test_another_seed_or_number_gives_other_attacks(self, capture, drawn):
        assert made(capture, "one")[1]["attack_spans"] != made(capture, "other", **drawn)[1]["attack_spans"]

    def test_another_capture_gets_other_attacks(self, capture, long_drive):
        shorter = long_drive.take(slice(0, len(long_drive) - 5))
        facts = {**read_frames(capture)[1], "content_sha256": content_sha256(shorter)}
        write_frames(capture.with_name("shorter.parquet"), shorter, facts)
        spans = made(capture.with_name("shorter.parquet"), "b")[1]["attack_spans"]
        assert spans[0] != made(capture, "a")[1]["attack_spans"][0]

    def test_the_record_beside_it_holds_its_facts(self, capture):
        _, facts = made(capture, "one")
        assert json.loads(capture.with_name("one.json").read_text()) == facts

    def test_it_names_the_recording_it_was_made_of(self, capture, long_drive):
        _, facts = made(capture, "one")
        assert (facts["origin_sha256"], facts["content_sha256"] != facts["origin_sha256"]) == (
            content_sha256(long_drive), True,
        )  # fmt: skip

    def test_it_names_capture_scenario_and_number(self, capture):
        _, facts = made(capture, "one", number=3)
        assert (facts["scenario"], facts["capture"], facts["vehicle"]) == (
            SYNTHESISED, "train_01-attack-free-tango-3", "tango",
        )  # fmt: skip

    def test_its_facts_are_those_of_the_attacked_frames(self, capture):
        frames, facts = made(capture, "one")
        assert (facts["frames"], facts["attack_frames"], facts["content_sha256"]) == (
            len(frames), int(frames.attack.sum()), content_sha256(frames),
        )  # fmt: skip

    def test_it_tells_how_long_it_lasts(self, capture):
        durations = [made(capture, str(number), number=number) for number in range(4)]
        for frames, facts in durations:
            assert facts["duration_s"] == pytest.approx(seconds(frames)[-1])

    def test_kinds_survive_on_disk(self, capture):
        frames, facts = made(capture, "one")
        named = Counter(np.array(frames.attack_types)[frames.attack_type[frames.attack]].tolist())
        assert set(named) == {span["kind"] for span in facts["attack_spans"]} - {SUPPRESSION}

    def test_a_capture_too_short_for_an_attack_is_refused(self, capture):
        short = frames_of(np.arange(20) * 0.01, [5] * 20)
        facts = {**read_frames(capture)[1], "duration_s": 0.19, "content_sha256": content_sha256(short)}
        write_frames(capture.with_name("short.parquet"), short, facts)
        with pytest.raises(DatasetError, match=r"attack-free-tango: 0\.2 s are too short for a synthesised attack"):
            made(capture.with_name("short.parquet"), "out")

    def test_a_refusal_writes_nothing(self, capture):
        short = frames_of(np.arange(20) * 0.01, [5] * 20)
        facts = {**read_frames(capture)[1], "content_sha256": content_sha256(short)}
        write_frames(capture.with_name("short.parquet"), short, facts)
        with pytest.raises(DatasetError):
            made(capture.with_name("short.parquet"), "out")
        assert not list(capture.parent.glob("out*"))
