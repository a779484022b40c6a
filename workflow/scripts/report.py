"""Rule report; by hand: ``canids report``."""

from pathlib import Path

from omegaconf import OmegaConf

from canids.report import write_report
from canids.workflow import frozen_overrides, rule_graph, stage

with stage(snakemake):
    write_report(
        out=Path(snakemake.output[0]),
        dataset=OmegaConf.create(snakemake.params.dataset),
        evaluations=[Path(path).parent for path in snakemake.input.evaluations],
        comparisons=Path(snakemake.input.comparisons),
        explanations=[Path(path) for path in snakemake.input.explanations],
        models=[Path(path).parent for path in snakemake.input.models],
        records=[Path(path) for path in snakemake.input.records],
        graphs=Path(snakemake.input.summary),
        rule_graph=rule_graph(Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile", frozen_overrides()),
    )
