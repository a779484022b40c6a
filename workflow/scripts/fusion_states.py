"""Rule fusion_states; by hand: ``canids fusion-states``."""

from pathlib import Path

from canids.training.modes import write_fusion_states
from canids.workflow import stage

with stage(snakemake):
    write_fusion_states(
        vgae=Path(snakemake.input.vgae).parent,
        gat=Path(snakemake.input.gat).parent,
        fitting=[Path(path) for path in snakemake.input.fitting],
        tests=[Path(path) for path in snakemake.input.tests],
        false_alarms=snakemake.params.false_alarms,
        out=Path(snakemake.output.states).parent,
    )
