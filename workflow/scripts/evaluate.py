"""Rule evaluate_scale; by hand: ``canids evaluate``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.evaluation.evaluate import evaluate
from canids.workflow import stage

with stage(snakemake):
    evaluate(
        states_file=Path(snakemake.input.states),
        fusion=Path(snakemake.input.fusion).parent,
        graphs=Path(snakemake.input.graphs),
        evaluation=OmegaConf.create(snakemake.params.settings),
        out=Path(snakemake.output.metrics).parent,
    )
