"""Rule simulate; by hand: ``canids simulate``."""

from pathlib import Path

from canids.simulate.demo import simulate_demo
from canids.workflow import stage

with stage(snakemake):
    settings = snakemake.params.settings["simulate"]
    simulate_demo(Path(snakemake.params.folder), settings["seed"], settings["seconds"])
