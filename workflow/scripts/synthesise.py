"""Rule synthesise; by hand: ``canids synthesise``."""

from pathlib import Path

from canids.simulate.synthesis import synthesise
from canids.workflow import stage

with stage(snakemake):
    synthesise(
        parquet=Path(snakemake.input.record).with_suffix(".parquet"),
        out=Path(snakemake.output.frames),
        seed=snakemake.params.seed,
        number=int(snakemake.wildcards.number),
    )
