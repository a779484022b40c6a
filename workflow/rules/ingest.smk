# Log files -> canonical frame tables. For the demo, the log files are simulated first.

if SIMULATED:

    rule simulate:
        output:
            captures=[c.source for c in CAPTURES[SIMULATED.folder].values()],
            attack_spans=SIMULATED.config.dataset.attack_spans,
        log:
            f"{RESULTS}/{SIMULATED.folder}/logs/simulate.log",
        benchmark:
            f"{RESULTS}/{SIMULATED.folder}/benchmarks/simulate.tsv"
        threads: 1
        resources:
            mem_mb=by_size(2000),
            runtime=by_size(10),
        params:
            folder=lambda w, output: str(Path(output.attack_spans).parent),
            settings=section(SIMULATED.config, "simulate"),
            code=CODE["simulate"],
        message:
            "simulate the demo's vehicles and attacks"
        script:
            "../scripts/simulate.py"


rule ingest:
    input:
        unpack(log_files),
    output:
        frames=FRAMES,
        fingerprint=FINGERPRINT,
        record=INGEST_RECORD,
    log:
        f"{LOGS}/ingest/{{scenario}}/{{capture}}.log",
    benchmark:
        f"{BENCHMARKS}/ingest/{{scenario}}/{{capture}}.tsv"
    threads: 1
    resources:
        mem_mb=by_size(2000, 4),
        runtime=by_size(10, 0.02),
    params:
        **settings_for("frames"),
        vehicle=for_each_capture(lambda w: capture_of(w).vehicle),
        attack_type=for_each_capture(lambda w: capture_of(w).attack_type),
        code=CODE["ingest"],
    message:
        "ingest {wildcards.dataset}: {wildcards.scenario}/{wildcards.capture}"
    script:
        "../scripts/ingest.py"
