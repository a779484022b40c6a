# What the targets ask for: models, evaluations and explanations for each seed and scale, and the runs of an experiment.
from canids.variants import SCALES


def per_seed_and_scale(pattern):
    return [
        artifact(pattern, dataset=DATASET, seed=seed, scale=scale)
        for seed in SEEDS
        for scale in SCALES
    ]


def trained_models():
    return [
        path
        for model in ("vgae", "gat", "fusion")
        for path in per_seed_and_scale(state_dict(model))
    ]


def evaluations():
    return per_seed_and_scale(f"{EVALUATION}/metrics.json")


def evaluations_on_others():
    return [
        path.replace("{other}", other)
        for other in CONFIG.evaluate_on
        for path in per_seed_and_scale(f"{EVALUATION_ON}/metrics.json")
    ]


def baselines():
    return [
        artifact(f"{BASELINES}/metrics.json", dataset=DATASET, seed=seed)
        for seed in SEEDS
    ]


def explanations():
    """Those of the students' alarms: what runs in a vehicle."""
    return [
        artifact(
            f"{EXPLANATIONS}/explanations.json",
            dataset=DATASET,
            seed=seed,
            scale="student",
        )
        for seed in SEEDS
    ]


def experiment_runs(dataset, experiment):
    """(variant, its configuration, metrics of one of its evaluations) on a dataset."""
    folder = artifacts.EXPERIMENT_VARIANT.format(
        dataset=dataset, experiment=experiment, variant=""
    )
    return [
        (
            name.removeprefix(folder),
            variant.config,
            artifact(
                placed(name, f"evaluation-{scale}", f"{EVALUATION}/metrics.json"),
                seed=seed,
                scale=scale,
            ),
        )
        for name, variant in VARIANTS.items()
        if name.startswith(folder)
        for seed in EXPERIMENT["seeds"]
        for scale in EXPERIMENT["scales"]
    ]


def experiment_summaries():
    if not EXPERIMENT or searched():
        return []
    return [
        artifact(EXPERIMENT_SUMMARY, dataset=dataset, experiment=EXPERIMENT["name"])
        for dataset in EXPERIMENT["datasets"]
    ]
