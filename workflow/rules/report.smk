# One self-contained page for the dataset.


rule report:
    input:
        evaluations=[*evaluations(), *baselines()],
        comparisons=COMPARISONS,
        explanations=explanations(),
        models=trained_models(),
        summary=artifact(f"{GRAPHS}/graphs.json", dataset=DATASET),
        records=ingest_records(DATASET),
    output:
        report(REPORT, caption="../report/report.rst", category="Detection"),
    log:
        f"{RESULTS}/{DATASET}/logs/report.log",
    benchmark:
        f"{RESULTS}/{DATASET}/benchmarks/report.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000),
        runtime=by_size(30),
    params:
        dataset=section(CONFIG, "dataset")["dataset"],
        code=CODE["report"],
    message:
        "write the report of {DATASET}"
    script:
        "../scripts/report.py"
