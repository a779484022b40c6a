"""Rule summary; by hand: ``canids summary``."""

from pathlib import Path

from canids.evaluation.summary import summarise
from canids.workflow import stage

with stage(snakemake):
    summarise(
        evaluations=[Path(path).parent for path in snakemake.input.evaluations],
        graphs=Path(snakemake.input.graphs),
        dataset=snakemake.params.dataset,
        training_data=snakemake.params.training_data,
        summary=Path(snakemake.output.summary),
        comparisons=Path(snakemake.output.comparisons),
    )
