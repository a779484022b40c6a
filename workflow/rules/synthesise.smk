# Attack-free training captures -> copies with attacks of every kind, to train on beside those that a dataset labels.


rule synthesise:
    input:
        record=lambda w: ingest_record(w.dataset, capture_of(w)),
    output:
        frames=SYNTHESISED,
        record=SYNTHESIS_RECORD,
    log:
        f"{LOGS}/synthesise/{{scenario}}/{{capture}}-{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/synthesise/{{scenario}}/{{capture}}-{{number}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000),
        runtime=by_size(30),
    params:
        **settings_for("synthesised"),
        code=CODE["synthesise"],
    message:
        "synthesise attacks on {wildcards.dataset}: {wildcards.scenario}/{wildcards.capture}, copy {wildcards.number}"
    script:
        "../scripts/synthesise.py"
