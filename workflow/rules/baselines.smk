# Simple detectors on the same windows, judged like the models.


rule baselines:
    input:
        stores=STORES,
        graphs=f"{GRAPHS}/graphs.json",
        records=ingest_records(),
        synthesised=synthesised_captures(),
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
        mem_mb=4000,
        runtime=60,
    params:
        frames=per_capture(FRAMES),
        settings=section(CONFIG, "evaluation")["evaluation"],
        false_alarms=CONFIG.calibration.false_alarms,
        code=CODE["baselines"],
    message:
        "fit and evaluate the baselines, seed {wildcards.seed}"
    script:
        "../scripts/baselines.py"
