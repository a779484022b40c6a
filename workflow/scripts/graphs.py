"""Rule graphs; by hand: ``canids graphs``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.graphs.build import build_graphs
from canids.workflow import stage

with stage(snakemake):
    build_graphs(
        parquets=[
            Path(path) for path in [*snakemake.params.frames, *snakemake.input.synthesised, *snakemake.params.fleet]
        ],
        train=snakemake.params.train,
        graph=OmegaConf.create(snakemake.params.settings["graph"]),
        out=Path(snakemake.output.summary).parent,
        profiles=Path(snakemake.params.profiles),
        threads=snakemake.threads,
        training_data=snakemake.params.training_data,
        profile=snakemake.params.profile,
    )
