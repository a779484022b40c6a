"""Rule train_fusion; by hand: ``canids train fusion``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.training.modes import FusionTrainer
from canids.workflow import stage

with stage(snakemake):
    FusionTrainer(
        settings=OmegaConf.create(snakemake.params.settings),
        seed=int(snakemake.wildcards.seed),
        scale=snakemake.wildcards.scale,
        states=Path(snakemake.input.states),
        out=Path(snakemake.output.model).parent,
        tracking=OmegaConf.create(snakemake.params.tracking),
    ).train()
