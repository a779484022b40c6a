"""Where variants have their artifacts: what is made alike is made once, what differs never lies in one place."""

from pathlib import Path

import pytest

from canids.config import load_config
from canids.variants import ARTIFACTS, Variant, places

CONFIG = Path(__file__).parents[2] / "config"


def placed(*variants: str) -> dict[str, dict[str, str]]:
    """Of a default variant and others (dot-lists as text), artifact → folder."""
    names = {"default": "", **{f"v{number}": words for number, words in enumerate(variants, 1)}}
    return places(Variant(name, load_config(CONFIG, words.split())) for name, words in names.items())


def own(places_of_variant: dict[str, str]) -> set[str]:
    return {name for name, folder in places_of_variant.items() if folder != "default"}


BOTH = {f"{name}-{scale}" for name in ("states", "fusion", "evaluation") for scale in ("teacher", "student")}
STUDENT = {name for name in BOTH if name.endswith("student")}
MODELS = {"vgae-teacher", "vgae-student", "gat-teacher", "gat-student"}


@pytest.mark.parametrize(
    ("words", "artifacts"),
    [
        ("", set()),
        ("seeds=[1,2]", set()),
        ("models.gat.focal.gamma=1", set()),
        ("evaluation.tolerance=0.01", {"evaluation-teacher", "evaluation-student", "baselines"}),
        ("fusion.gamma=0.5", BOTH - {"states-teacher", "states-student"}),
        ("models.gat.student.epochs=3", {"gat-student", *STUDENT}),
        ("models.vgae.student.epochs=3", {"vgae-student", *STUDENT}),
        ("models.gat.sampling=none", {"gat-teacher", "gat-student", *BOTH}),
        ("models.vgae.beta=0.5", MODELS | BOTH),
        ("models.gat.sampling=none models.gat.teacher.epochs=3", {"gat-teacher", "gat-student", *BOTH}),
        ("graph.window=50 graph.stride=50", {"graphs", "baselines", *MODELS, *BOTH}),
        ("training_data=labelled", {"graphs", "baselines", *MODELS, *BOTH}),
        ("synthesis.copies=3", {"graphs", "baselines", *MODELS, *BOTH}),
        ("synthesis.seed=3", {"synthesised", "graphs", "baselines", *MODELS, *BOTH}),
        ("synthesis.rare=0.1", {"synthesised", "graphs", "baselines", *MODELS, *BOTH}),
        ("fleet.vehicles=10", set()),
        ("training_data=synthesised", {"graphs", "baselines", *MODELS, *BOTH}),
        ("training_data=fleet", {"graphs", "baselines", *MODELS, *BOTH}),
        (
            "dataset.train=[train_02_with_attacks] dataset.profile=[train_01_attack_free]",
            {"graphs", "baselines", *MODELS, *BOTH},
        ),
        ("dataset.captures=[train_0?_*,test_01*]", {"graphs", "baselines", *MODELS, *BOTH}),
        ("strict=true", set(ARTIFACTS)),
        ("dataset=custom", None),
    ],
)
def test_a_variant_has_of_its_own_what_reads_its_settings_and_what_is_made_of_that(words, artifacts, tmp_path):
    if artifacts is None:
        for folder in ("attack_free", "attacked"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "a.log").touch()
        words, artifacts = f"{words} dataset.folder={tmp_path}", set(ARTIFACTS)
    assert own(placed(words)["v1"]) == artifacts


def test_without_its_guide_the_gat_does_not_depend_on_the_vgae():
    unguided = "models.gat.sampling=none"
    second = placed(unguided, f"{unguided} models.vgae.beta=0.5")["v2"]
    assert (second["gat-teacher"], second["gat-student"], second["vgae-teacher"]) == ("v1", "v1", "v2")


def test_variants_share_with_the_first_that_makes_it_alike():
    second = placed("graph.window=50", "graph.window=50 fusion.gamma=0.5")["v2"]
    assert (second["frames"], second["graphs"], second["states-student"], second["fusion-student"]) == (
        "default", "v1", "v1", "v2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ("", "v1"),
        ("synthesis.copies=3", "v1"),  # of the dataset's captures, of which none is attacked
        ("fusion.gamma=0.5", "v1"),
        ("fleet.vehicles=10", "v2"),
        ("fleet.seed=3", "v2"),
        ("synthesis.rare=0.1", "v2"),
        ("training_data=both+fleet", "v2"),
    ],
)
def test_variants_with_the_same_fleet_share_its_graphs(words, folder):
    fleet = "training_data=fleet"
    assert placed(fleet, f"{fleet} {words}")["v2"]["graphs"] == folder


def test_a_change_that_is_taken_back_is_none():
    assert own(placed("fusion.gamma=0.5 fusion.gamma=0.9")["v1"]) == set()


def test_every_setting_is_of_some_artifact_or_of_none_on_purpose():
    """A variant that changes a setting no artifact knows of would share what it does not make alike."""
    from omegaconf import OmegaConf

    config = load_config(CONFIG)
    read = set()
    for artifact in ARTIFACTS.values():
        read |= set(str(artifact.params(config)).split("'")[1::2]) | set(
            str(artifact.inputs(Variant("demo", config))).split("'")[1::2]
        )
    sections = {
        name: OmegaConf.to_container(config[name]) for name in ("graph", "fusion", "evaluation", "trainer", "synthesis")
    }
    for name, settings in sections.items():
        assert set(settings) <= read, name
