# Memory and time that rules ask for, by the size of what they read: docs/scaling.md has what was measured. And how many
# GPU hours a run will take, by earlier ones.
import atexit
import os

from canids.plan import planned_gpu_hours


def megabytes(paths):
    """Size of those files that are there already: before the first run, a plan holds the least."""
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path)) / 1e6


def by_size(least, per_megabyte=0):
    """Resource: by the size of a job's inputs, and as much again each time that it is tried again."""
    if not per_megabyte:  # a plan of thousands of jobs need not ask the file system
        return for_each_capture(lambda wildcards, attempt: attempt * least)
    return for_each_capture(
        lambda wildcards, input, attempt: attempt
        * round(least + per_megabyte * megabytes(input))
    )


def training_memory(model=None):
    """Resource: MB that a training of a model, else of that of the job, may take."""

    def of_job(wildcards, input, attempt):
        config = VARIANTS[wildcards.dataset].config
        measured = config.models[model or wildcards.model].node_budget == "auto"
        least = max(4000, config.batch_size.memory_limit) if measured else 4000
        return attempt * round(least + 6 * megabytes(input))

    return of_job


def graphs_memory(wildcards, attempt):
    """MB that the graphs stage takes: all windows are held at once, those of a simulated vehicle in some 25."""
    config = VARIANTS[wildcards.dataset].config
    fleet = 30 * config.fleet.vehicles if trains_on_fleet(config) else 0
    tables = [
        *per_capture(FRAMES, wildcards.dataset),
        *synthesised_captures(wildcards.dataset),
    ]
    return attempt * round(4000 + fleet + 30 * megabytes(tables))


def say_gpu_hours():
    """Print how many GPU hours the run is about to take."""
    if workflow.dag is not None and (said := planned_gpu_hours(workflow.dag)):
        print(said, flush=True)


def say_gpu_hours_of_a_dry_run():
    """A dry run has no hook of its own (`onstart` is not called), so that it says them when it ends."""
    if workflow.is_main_process and workflow.dryrun:
        say_gpu_hours()


atexit.register(say_gpu_hours_of_a_dry_run)
