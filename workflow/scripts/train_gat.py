"""Rule train_gat; by hand: ``canids train gat``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.training.modes import gat_trainer
from canids.workflow import stage

with stage(snakemake):
    gat_trainer(
        settings=OmegaConf.create(snakemake.params.settings),
        trainer=OmegaConf.create(snakemake.params.trainer),
        seed=int(snakemake.wildcards.seed),
        graphs=Path(snakemake.input.stores[0]).parent,
        out=Path(snakemake.output.model).parent,
        vgae=next((Path(path).parent for path in snakemake.input.vgae), None),
    ).train()
