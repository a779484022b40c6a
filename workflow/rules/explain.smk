# Which IDs and channels carried the alarms.


rule explain:
    input:
        stores=all_stores,
        graphs=made_by("graphs", GRAPHS_SUMMARY),
        scores=made_by("evaluation-{scale}", f"{EVALUATION}/scores.parquet"),
        metrics=made_by("evaluation-{scale}", f"{EVALUATION}/metrics.json"),
        records=lambda w: ingest_records(w.dataset),
    output:
        explanations=f"{EXPLANATIONS}/explanations.json",
    log:
        f"{LOGS}/seed-{{seed}}/explain-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/explain-{{scale}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(4000, 6),
        runtime=by_size(30),
    params:
        frames=lambda w: per_capture(FRAMES, w.dataset),
        profiles=made_by("graphs", PROFILES),
        code=CODE["explain"],
    message:
        "explain the alarms of the {wildcards.scale} fusion, seed {wildcards.seed}"
    script:
        "../scripts/explain.py"
