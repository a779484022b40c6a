# The VGAE: the teacher, then the student distilled from it.


rule train_vgae:
    input:
        stores=FITTING_STORES,
        batch_size=batch_size("vgae", "teacher"),
    output:
        **model_files("vgae", "teacher"),
    log:
        f"{LOGS}/seed-{{seed}}/train_vgae.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/train_vgae.tsv"
    threads: CONFIG.trainer.devices
    resources:
        mem_mb=training_memory("vgae"),
        runtime=120,
        gpu=CONFIG.trainer.devices,
    params:
        settings=training_settings("vgae", "student", "distillation"),
        trainer=section(CONFIG, "trainer")["trainer"],
        code=CODE["train_vgae"],
    message:
        "train the teacher VGAE, seed {wildcards.seed}"
    script:
        "../scripts/train_vgae.py"


rule distill_vgae:
    input:
        stores=FITTING_STORES,
        batch_size=batch_size("vgae", "student"),
        teacher=state_dict("vgae", "teacher"),
    output:
        **model_files("vgae", "student"),
    log:
        f"{LOGS}/seed-{{seed}}/distill_vgae.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/distill_vgae.tsv"
    threads: CONFIG.trainer.devices
    resources:
        mem_mb=training_memory("vgae"),
        runtime=120,
        gpu=CONFIG.trainer.devices,
    params:
        settings=training_settings("vgae", "teacher"),
        trainer=section(CONFIG, "trainer")["trainer"],
        code=CODE["distill_vgae"],
    message:
        "distil the student VGAE, seed {wildcards.seed}"
    script:
        "../scripts/distill_vgae.py"
