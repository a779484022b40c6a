"""Rule experiment: the tidy table of an experiment."""

from pathlib import Path

from canids.evaluation.experiment_summary import Run, summarise_experiment
from canids.workflow import stage

with stage(snakemake):
    summarise_experiment(
        runs=[
            Run(variant, training_data, Path(metrics).parent)
            for (variant, training_data), metrics in zip(
                snakemake.params.runs, snakemake.input.evaluations, strict=True
            )
        ],
        dataset=snakemake.wildcards.dataset,
        experiment=snakemake.wildcards.experiment,
        out=Path(snakemake.output.summary),
    )
