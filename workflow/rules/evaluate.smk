# Detection on the test scenarios, thresholds from validation.


rule evaluate_scale:
    input:
        states=STATES,
        fusion=state_dict("fusion"),
        alternatives=rules.train_fusion.output.alternatives,
        graphs=f"{GRAPHS}/graphs.json",
    output:
        metrics=f"{EVALUATION}/metrics.json",
        scores=f"{EVALUATION}/scores.parquet",
    log:
        f"{LOGS}/seed-{{seed}}/evaluate-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/evaluate-{{scale}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=section(CONFIG, "evaluation")["evaluation"],
        code=CODE["evaluate"],
    message:
        "evaluate the {wildcards.scale} models, seed {wildcards.seed}"
    script:
        "../scripts/evaluate.py"
