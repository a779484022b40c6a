"""Rule explain; by hand: ``canids explain``."""

from pathlib import Path

from canids.evaluation.explain import explain
from canids.workflow import stage

with stage(snakemake):
    train, _, *tests = (Path(path) for path in snakemake.input.stores)
    explain(
        train=train,
        tests=tests,
        frames=[Path(path) for path in snakemake.params.frames],
        evaluation=Path(snakemake.input.metrics).parent,
        graphs=Path(snakemake.input.graphs),
        profiles=Path(snakemake.params.profiles),
        out=Path(snakemake.output.explanations).parent,
    )
