# Which IDs and channels carried the alarms.


rule explain:
    input:
        stores=STORES,
        graphs=f"{GRAPHS}/graphs.json",
        scores=f"{EVALUATION}/scores.parquet",
        metrics=f"{EVALUATION}/metrics.json",
        records=ingest_records(),
    output:
        explanations=f"{EXPLANATIONS}/explanations.json",
    log:
        f"{LOGS}/seed-{{seed}}/explain-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/explain-{{scale}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        frames=per_capture(FRAMES),
        code=CODE["explain"],
    message:
        "explain the alarms of the {wildcards.scale} fusion, seed {wildcards.seed}"
    script:
        "../scripts/explain.py"
