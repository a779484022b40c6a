# The models of a dataset on another one: nothing is fitted there but its vehicles' profiles.

if SETTINGS.tested:

    rule evaluate_on:
        input:
            vgae=made_by("vgae-{scale}", state_dict("vgae")),
            gat=made_by("gat-{scale}", state_dict("gat")),
            calibration=made_by("states-{scale}", CALIBRATION),
            fusion=made_by("fusion-{scale}", state_dict("fusion")),
            alternatives=made_by("fusion-{scale}", ALTERNATIVES),
            thresholds=made_by("evaluation-{scale}", f"{EVALUATION}/{POINTS_FILE}"),
            graphs=made_by("graphs", GRAPHS_SUMMARY),
            records=lambda w: ingest_records(w.dataset),
            stores=of_tested(tested_stores),
            other_graphs=of_tested(lambda v: placed(v, "graphs", GRAPHS_SUMMARY)),
            other_records=of_tested(ingest_records),
        output:
            metrics=f"{EVALUATION_ON}/metrics.json",
            scores=f"{EVALUATION_ON}/scores.parquet",
        log:
            f"{LOGS}/seed-{{seed}}/evaluate-{{scale}}-on-{{other}}.log",
        benchmark:
            f"{BENCHMARKS}/seed-{{seed}}/evaluate-{{scale}}-on-{{other}}.tsv"
        wildcard_constraints:
            dataset=re.escape(DATASET),
        threads: 1
        resources:
            mem_mb=by_size(4000, 6),
            runtime=by_size(60, 0.05),
            gpu=1,
        params:
            fingerprints=lambda w: fingerprints_of(w.dataset),
            other_fingerprints=of_tested(fingerprints_of),
            code=CODE["evaluate_on"],
        message:
            "evaluate the {wildcards.scale} models of {wildcards.dataset} on {wildcards.other}, seed {wildcards.seed}"
        script:
            "../scripts/evaluate_on.py"
