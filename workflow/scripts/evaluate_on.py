"""Rule evaluate_on; by hand: ``canids evaluate --on``."""

from pathlib import Path

from canids.evaluation.transfer import Side, evaluate_transfer
from canids.workflow import stage


def side(dataset, graphs, fingerprints):
    return Side(dataset, Path(graphs), {key: Path(path) for key, path in fingerprints.items()})


with stage(snakemake):
    evaluate_transfer(
        models=Path(snakemake.input.fusion).parents[1],
        scale=snakemake.wildcards.scale,
        trained=side(snakemake.wildcards.dataset, snakemake.input.graphs, snakemake.params.fingerprints),
        tested=side(snakemake.wildcards.other, snakemake.input.other_graphs, snakemake.params.other_fingerprints),
        stores=[Path(path) for path in snakemake.input.stores],
        out=Path(snakemake.output.metrics).parent,
    )
