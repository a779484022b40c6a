"""Rule ingest; by hand: ``canids ingest``."""

from pathlib import Path

from canids.frames.dataset import Capture
from canids.frames.ingest import ingest
from canids.workflow import stage

with stage(snakemake):
    capture = Capture(
        scenario=snakemake.wildcards.scenario,
        name=snakemake.wildcards.capture,
        source=Path(snakemake.input.source),
        vehicle=snakemake.params.vehicle,
        attack_type=snakemake.params.attack_type,
    )
    ingest(
        capture,
        parquet=Path(snakemake.output.frames),
        record=Path(snakemake.output.record),
        attack_spans=next(map(Path, snakemake.input.attack_spans), None),
        strict=snakemake.params.strict,
        reading_settings=snakemake.params.reading,
    )
