"""Rule synthesise; by hand: ``canids synthesise``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.simulate.synthesis import synthesise
from canids.workflow import stage

with stage(snakemake):
    synthesise(
        parquet=Path(snakemake.input.record).with_suffix(".parquet"),
        out=Path(snakemake.output.frames),
        settings=OmegaConf.create(snakemake.params.settings),
        number=int(snakemake.wildcards.number),
    )
