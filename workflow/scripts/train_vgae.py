"""Rule train_vgae; by hand: ``canids train vgae``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.training.modes import AutoencoderTrainer
from canids.workflow import stage

with stage(snakemake):
    AutoencoderTrainer(
        settings=OmegaConf.create(snakemake.params.settings),
        trainer=OmegaConf.create(snakemake.params.trainer),
        seed=int(snakemake.wildcards.seed),
        scale="teacher",
        graphs=Path(snakemake.input.stores[0]).parent,
        out=Path(snakemake.output.model).parent,
    ).train()
