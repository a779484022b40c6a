# Memory and time that rules ask for, by the size of what they read: docs/scaling.md has what was measured.


def megabytes(paths):
    """Size of those files that are there already: before the first run, a plan holds the least."""
    there = (Path(path) for path in paths)
    return sum(path.stat().st_size for path in there if path.is_file()) / 1e6


def by_size(least, per_megabyte=0):
    """Resource: by the size of a job's inputs, and as much again each time that it is tried again."""
    return lambda wildcards, input, attempt: attempt * round(
        least + per_megabyte * megabytes(input)
    )


def training_memory(model=None):
    """Resource: MB that a training of a model, else of that of the job, may take."""

    def of_job(wildcards, input, attempt):
        config = VARIANTS[wildcards.dataset].config
        measured = config.models[model or wildcards.model].node_budget == "auto"
        least = max(4000, config.batch_size.memory_limit) if measured else 4000
        return attempt * round(least + 2 * megabytes(input))

    return of_job


def graphs_memory(wildcards, attempt):
    """MB that the graphs stage takes: all windows are held at once, those of a simulated vehicle in some 25."""
    config = VARIANTS[wildcards.dataset].config
    fleet = 30 * config.fleet.vehicles if trains_on_fleet(config) else 0
    tables = per_capture(FRAMES, wildcards.dataset)
    tables += synthesised_captures(wildcards.dataset)
    return attempt * round(4000 + fleet + 30 * megabytes(tables))
