"""Rule best_trial: the table of a search's trials, and the settings of the best."""

from pathlib import Path

from canids.search import collect_trials
from canids.workflow import stage

with stage(snakemake):
    collect_trials(
        search=snakemake.params.search,
        described={"dataset": snakemake.wildcards.dataset, "experiment": snakemake.wildcards.experiment},
        settings=snakemake.params.settings,
        rounds=[Path(path) for path in snakemake.input.rounds],
        figures=[
            (trial, seed, Path(path))
            for (trial, seed), path in zip(snakemake.params.reached, snakemake.input.figures, strict=True)
        ],
        out=Path(snakemake.output.table).parent,
    )
