# The GAT: the teacher, by default on a curriculum that the teacher VGAE guides, then the student distilled from it.


rule train_gat:
    input:
        stores=made_by("graphs", FITTING_STORES),
        batch_size=batch_size("gat", "teacher"),
        trial=trial,
        vgae=sampling_guide,
    output:
        **model_files("gat", "teacher"),
    log:
        f"{LOGS}/seed-{{seed}}/train_gat.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/train_gat.tsv"
    threads: devices
    resources:
        mem_mb=training_memory("gat"),
        runtime=by_size(240, 0.1),
        gpu=devices,
    params:
        **settings_for("gat-teacher"),
        code=CODE["train_gat"],
    message:
        "train the teacher GAT of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/train_gat.py"


rule distill_gat:
    input:
        stores=made_by("graphs", FITTING_STORES),
        batch_size=batch_size("gat", "student"),
        trial=trial,
        teacher=made_by("gat-teacher", state_dict("gat", "teacher")),
    output:
        **model_files("gat", "student"),
    log:
        f"{LOGS}/seed-{{seed}}/distill_gat.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/distill_gat.tsv"
    threads: devices
    resources:
        mem_mb=training_memory("gat"),
        runtime=by_size(120, 0.1),
        gpu=devices,
    params:
        **settings_for("gat-student"),
        code=CODE["distill_gat"],
    message:
        "distil the student GAT of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/distill_gat.py"
