# The evaluations of an experiment's variants, in one table.


rule experiment:
    input:
        evaluations=lambda w: [
            metrics for _, _, metrics in experiment_runs(w.dataset, w.experiment)
        ],
    output:
        summary=EXPERIMENT_SUMMARY,
    log:
        f"{LOGS}/experiments/{{experiment}}.log",
    benchmark:
        f"{BENCHMARKS}/experiments/{{experiment}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(1000),
        runtime=by_size(10),
    params:
        runs=lambda w: [
            (variant, config.training_data)
            for variant, config, _ in experiment_runs(w.dataset, w.experiment)
        ],
        code=CODE["experiment"],
    message:
        "collect the evaluations of the experiment {wildcards.experiment} on {wildcards.dataset}"
    script:
        "../scripts/experiment.py"
