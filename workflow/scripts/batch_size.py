"""Rule batch_size; by hand: ``canids batch-size``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.training.size_batches import size_batches
from canids.workflow import stage

with stage(snakemake):
    size_batches(
        model=snakemake.wildcards.model,
        scale=snakemake.wildcards.scale,
        settings=OmegaConf.create(snakemake.params.settings),
        trainer=OmegaConf.create(snakemake.params.trainer),
        batch_size=OmegaConf.create(snakemake.params.batch_size),
        seed=int(snakemake.wildcards.seed),
        graphs=Path(snakemake.input.stores[0]).parent,
        out=Path(snakemake.output[0]).parent,
        guide=next((Path(path).parent for path in snakemake.input.guides), None),
    )
