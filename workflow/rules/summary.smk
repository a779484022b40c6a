# Every evaluation of the dataset in one table, and the fusion compared with everything else.


rule summary:
    input:
        evaluations=[*evaluations(), *baselines()],
        graphs=artifact(f"{GRAPHS}/graphs.json", dataset=DATASET),
    output:
        summary=SUMMARY,
        comparisons=COMPARISONS,
    log:
        f"{RESULTS}/{DATASET}/logs/summary.log",
    benchmark:
        f"{RESULTS}/{DATASET}/benchmarks/summary.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000),
        runtime=by_size(30),
    params:
        dataset=DATASET,
        training_data=CONFIG.training_data,
        code=CODE["summary"],
    message:
        "summarise the evaluations of {DATASET}"
    script:
        "../scripts/summary.py"
