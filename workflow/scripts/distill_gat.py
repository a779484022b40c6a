"""Rule distill_gat; by hand: ``canids distill gat``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.training.modes import GatDistillationTrainer
from canids.workflow import stage

with stage(snakemake):
    GatDistillationTrainer(
        settings=OmegaConf.create(snakemake.params.settings),
        trainer=OmegaConf.create(snakemake.params.trainer),
        seed=int(snakemake.wildcards.seed),
        graphs=Path(snakemake.input.stores[0]).parent,
        out=Path(snakemake.output.model).parent,
        teacher=Path(snakemake.input.teacher).parent,
    ).train()
