"""Rule baselines; by hand: ``canids baselines``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.evaluation.baselines.run import run_baselines
from canids.workflow import stage

with stage(snakemake):
    run_baselines(
        stores=[Path(path) for path in snakemake.input.stores],
        graphs=Path(snakemake.input.graphs),
        frames=[
            Path(path) for path in [*snakemake.params.frames, *snakemake.input.synthesised, *snakemake.params.fleet]
        ],
        evaluation=OmegaConf.create(snakemake.params.settings),
        false_alarms=snakemake.params.false_alarms,
        seed=int(snakemake.wildcards.seed),
        out=Path(snakemake.output.metrics).parent,
    )
