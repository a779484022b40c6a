"""Rule pretrained."""

from pathlib import Path

from canids.evaluation.pretrained import ship
from canids.shipped import PARTS
from canids.workflow import stage

with stage(snakemake):
    ship(
        folders={part: Path(snakemake.input[part][0]).parent for part in PARTS},
        graphs=Path(snakemake.input.graphs),
        made_with=snakemake.params.made_with,
        out=Path(snakemake.output.record).parent,
    )
