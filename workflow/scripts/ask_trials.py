"""Rule ask_trials: the settings of a round's trials."""

from pathlib import Path

from canids.search import ask_trials
from canids.workflow import stage

with stage(snakemake):
    ask_trials(
        search=snakemake.params.search,
        number=int(snakemake.wildcards.round),
        before=next(map(Path, snakemake.input.before), None),
        reached=[
            (trial, seed, Path(path))
            for (trial, seed), path in zip(snakemake.params.reached, snakemake.input.figures, strict=True)
        ],
        journal=Path(snakemake.output.journal),
    )
