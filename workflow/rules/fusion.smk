# What VGAE and GAT say of every window, the agent that fuses it, and the alternatives it is compared with.


rule fusion_states:
    input:
        fitting=made_by("graphs", FITTING_STORES),
        tests=lambda w: tested_stores(w.dataset),
        vgae=made_by("vgae-{scale}", state_dict("vgae")),
        gat=made_by("gat-{scale}", state_dict("gat")),
        trial=trial,
    output:
        states=STATES,
        calibration=CALIBRATION,
    log:
        f"{LOGS}/seed-{{seed}}/fusion_states-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/fusion_states-{{scale}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(4000, 6),
        runtime=by_size(60, 0.05),
        gpu=1,
    params:
        **settings_for("states-student"),
        code=CODE["fusion_states"],
    message:
        "score every window with the {wildcards.scale} models of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/fusion_states.py"


rule train_fusion:
    input:
        states=made_by("states-{scale}", STATES),
        trial=trial,
    output:
        **model_files("fusion"),
        alternatives=ALTERNATIVES,
    log:
        f"{LOGS}/seed-{{seed}}/train_fusion-{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/train_fusion-{{scale}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000, 40),
        runtime=by_size(60, 0.05),
        gpu=1,
    params:
        **settings_for("fusion-student"),
        code=CODE["train_fusion"],
    message:
        "train the fusion of the {wildcards.scale} models of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/train_fusion.py"
