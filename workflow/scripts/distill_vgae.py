"""Rule distill_vgae; by hand: ``canids distill vgae``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.training.modes import VgaeDistillationTrainer
from canids.workflow import stage

with stage(snakemake):
    VgaeDistillationTrainer(
        settings=OmegaConf.create(snakemake.params.settings),
        trainer=OmegaConf.create(snakemake.params.trainer),
        seed=int(snakemake.wildcards.seed),
        graphs=Path(snakemake.input.stores[0]).parent,
        out=Path(snakemake.output.model).parent,
        teacher=Path(snakemake.input.teacher).parent,
    ).train()
