# How large the batches of a training may be: measured before it, where models.<model>.node_budget is auto.


rule batch_size:
    input:
        stores=made_by("graphs", FITTING_STORES),
        guides=guides,
        trial=trial,
    output:
        BATCH_SIZE,
    log:
        f"{LOGS}/seed-{{seed}}/batch_size-{{model}}-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/batch_size-{{model}}-{{scale}}.tsv"
    wildcard_constraints:
        model="vgae|gat",
    threads: 1
    resources:
        mem_mb=training_memory(),
        runtime=by_size(30),
        gpu=1,
    params:
        settings=measured_settings("settings"),
        trainer=measured_settings("trainer"),
        batch_size=measured_settings("batch_size"),
        code=CODE["batch_size"],
    message:
        "measure the batches of the {wildcards.scale} {wildcards.model} of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/batch_size.py"
