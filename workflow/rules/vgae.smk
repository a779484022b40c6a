# The VGAE: the teacher, then the student distilled from it.


rule train_vgae:
    input:
        stores=made_by("graphs", FITTING_STORES),
        batch_size=batch_size("vgae", "teacher"),
        trial=trial,
    output:
        **model_files("vgae", "teacher"),
    log:
        f"{LOGS}/seed-{{seed}}/train_vgae.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/train_vgae.tsv"
    threads: devices
    resources:
        mem_mb=training_memory("vgae"),
        runtime=by_size(120, 0.1),
        gpu=devices,
    params:
        **settings_for("vgae-teacher"),
        code=CODE["train_vgae"],
    message:
        "train the teacher VGAE of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/train_vgae.py"


rule distill_vgae:
    input:
        stores=made_by("graphs", FITTING_STORES),
        batch_size=batch_size("vgae", "student"),
        trial=trial,
        teacher=made_by("vgae-teacher", state_dict("vgae", "teacher")),
    output:
        **model_files("vgae", "student"),
    log:
        f"{LOGS}/seed-{{seed}}/distill_vgae.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/distill_vgae.tsv"
    threads: devices
    resources:
        mem_mb=training_memory("vgae"),
        runtime=by_size(120, 0.1),
        gpu=devices,
    params:
        **settings_for("vgae-student"),
        code=CODE["distill_vgae"],
    message:
        "distil the student VGAE of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/distill_vgae.py"
