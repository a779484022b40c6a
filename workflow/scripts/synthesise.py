"""Rule synthesise; by hand: ``canids synthesise``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.simulate.synthesis import synthesise
from canids.workflow import stage

with stage(snakemake):
    for out in map(Path, snakemake.output.frames):
        synthesise(
            parquet=Path(snakemake.input.record).with_suffix(".parquet"),
            out=out,
            settings=OmegaConf.create(snakemake.params.settings),
            # Not of the parameters: with another number of copies, those that are there would count as stale.
            number=int(out.stem.rpartition("-")[2]),
        )
