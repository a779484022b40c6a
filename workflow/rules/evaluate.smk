# Detection on the test scenarios, thresholds from validation.


rule evaluate_scale:
    input:
        states=made_by("states-{scale}", STATES),
        fusion=made_by("fusion-{scale}", state_dict("fusion")),
        alternatives=made_by("fusion-{scale}", ALTERNATIVES),
        graphs=made_by("graphs", GRAPHS_SUMMARY),
    output:
        metrics=f"{EVALUATION}/metrics.json",
        scores=f"{EVALUATION}/scores.parquet",
        thresholds=f"{EVALUATION}/{POINTS_FILE}",
    log:
        f"{LOGS}/seed-{{seed}}/evaluate-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/evaluate-{{scale}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000, 40),
        runtime=by_size(30),
    params:
        **settings_for("evaluation-student"),
        code=CODE["evaluate"],
    message:
        "evaluate the {wildcards.scale} models of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/evaluate.py"
