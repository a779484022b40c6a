# Simple detectors on the same windows, judged like the models.


rule baselines:
    input:
        stores=all_stores,
        graphs=made_by("graphs", GRAPHS_SUMMARY),
        records=lambda w: ingest_records(w.dataset),
        synthesised=lambda w: synthesised_captures(w.dataset),
        fleet=lambda w: fleet_parts_used(w.dataset),
    output:
        metrics=f"{BASELINES}/metrics.json",
        scores=f"{BASELINES}/scores.parquet",
        lightgbm=f"{BASELINES}/lightgbm.txt",
    log:
        f"{LOGS}/seed-{{seed}}/baselines.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/baselines.tsv"
    threads: 1
    resources:
        mem_mb=by_size(4000, 6),
        runtime=by_size(60, 0.05),
    params:
        **settings_for("baselines"),
        frames=lambda w: per_capture(FRAMES, w.dataset),
        fleet=lambda w: fleet_tables_used(w.dataset),
        code=CODE["baselines"],
    message:
        "fit and evaluate the baselines, seed {wildcards.seed}"
    script:
        "../scripts/baselines.py"
