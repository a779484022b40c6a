# The GAT: the teacher, by default on a curriculum that the teacher VGAE guides, then the student distilled from it.


rule train_gat:
    input:
        stores=FITTING_STORES,
        batch_size=batch_size("gat", "teacher"),
        vgae=sampling_guide(),
    output:
        **model_files("gat", "teacher"),
    log:
        f"{LOGS}/seed-{{seed}}/train_gat.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/train_gat.tsv"
    threads: CONFIG.trainer.devices
    resources:
        mem_mb=training_memory("gat"),
        runtime=240,
        gpu=CONFIG.trainer.devices,
    params:
        settings=sampling_settings(),
        trainer=section(CONFIG, "trainer")["trainer"],
        code=CODE["train_gat"],
    message:
        "train the teacher GAT, seed {wildcards.seed}"
    script:
        "../scripts/train_gat.py"


rule distill_gat:
    input:
        stores=FITTING_STORES,
        batch_size=batch_size("gat", "student"),
        teacher=state_dict("gat", "teacher"),
    output:
        **model_files("gat", "student"),
    log:
        f"{LOGS}/seed-{{seed}}/distill_gat.log",
    benchmark:
        f"{BENCHMARKS}/seed-{{seed}}/distill_gat.tsv"
    threads: CONFIG.trainer.devices
    resources:
        mem_mb=training_memory("gat"),
        runtime=120,
        gpu=CONFIG.trainer.devices,
    params:
        settings=training_settings(
            "gat", "teacher", "sampling", "focal", "undersampling", "curriculum"
        ),
        trainer=section(CONFIG, "trainer")["trainer"],
        code=CODE["distill_gat"],
    message:
        "distil the student GAT, seed {wildcards.seed}"
    script:
        "../scripts/distill_gat.py"
