# What the rules ask of a search (search.smk): its trials, their settings, and what they reached.
from canids.search_space import decided, trial_folders, trials_of_round

SEARCH = artifact(artifacts.SEARCH)
SEARCH_ROUND = artifact(artifacts.SEARCH_ROUND)


def searched():
    """What is searched, if the experiment is a search."""
    return EXPERIMENT.get("search") if EXPERIMENT else None


def found_trials():
    """Trial's folder beneath the results folder → (dataset, file of its round, name)."""
    if not searched():
        return {}
    return {
        folder: (
            dataset,
            artifact(
                f"{SEARCH_ROUND}/trials.json",
                dataset=dataset,
                experiment=EXPERIMENT["name"],
                round=number,
            ),
            name,
        )
        for dataset in EXPERIMENT["datasets"]
        for folder, (number, name) in trial_folders(
            dataset, EXPERIMENT["name"], searched()
        ).items()
    }


TRIALS = found_trials()


def settled(variant):
    """A variant's configuration; that of a search's trial is known when its round has been asked for."""
    if variant not in TRIALS:
        return VARIANTS[variant].config
    dataset, path, name = TRIALS[variant]
    return decided(VARIANTS[dataset].config, Path(path), name)


def trial(wildcards):
    """Input: where the settings of a search's trial are, of a job that is of one."""
    return [TRIALS[wildcards.dataset][1]] if wildcards.dataset in TRIALS else []


def search_rounds():
    """Numbers of a search's rounds."""
    return range(searched()["trials"] // searched()["at_once"])


def trial_figures(wildcards, numbers):
    """(trial, seed, what its training measured) of the trials of some rounds."""
    objective = searched()["objective"]
    made, scale = f"{objective['model']}-{objective['scale']}", objective["scale"]
    pattern = artifact(f"{MODEL}/metrics.json", model=objective["model"], scale=scale)
    folder = artifacts.EXPERIMENT_VARIANT.format(
        dataset=wildcards.dataset, experiment=wildcards.experiment, variant=""
    )
    return [
        (name, seed, placed(f"{folder}{name}", made, pattern).format(seed=seed))
        for number in numbers
        for name in trials_of_round(searched(), number)
        for seed in EXPERIMENT["seeds"]
    ]


def figures_before(wildcards):
    """What the trials of the round before measured."""
    number = int(wildcards.round)
    return trial_figures(wildcards, [number - 1]) if number else []


def round_files(wildcards, name, numbers):
    """A file of some of a search's rounds."""
    where = {"dataset": wildcards.dataset, "experiment": wildcards.experiment}
    return [
        artifact(f"{SEARCH_ROUND}/{name}", round=number, **where) for number in numbers
    ]


def journal_before(wildcards):
    number = int(wildcards.round)
    return round_files(wildcards, "journal.log", [number - 1] if number else [])


def search_results():
    if not searched():
        return []
    return [
        artifact(f"{SEARCH}/best.yaml", dataset=dataset, experiment=EXPERIMENT["name"])
        for dataset in EXPERIMENT["datasets"]
    ]
