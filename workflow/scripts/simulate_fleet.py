"""Rule simulate_fleet; by hand: ``canids simulate-fleet``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.simulate.fleet import simulate_part
from canids.workflow import stage

with stage(snakemake):
    simulate_part(
        folder=Path(snakemake.output.folder),
        part=int(snakemake.wildcards.part),
        fleet=OmegaConf.create(snakemake.params.fleet),
        synthesis=OmegaConf.create(snakemake.params.synthesis),
    )
