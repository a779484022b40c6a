# Log files -> canonical frame tables. For the demo, the log files are simulated first.

if CONFIG.dataset.simulated:

    rule simulate:
        output:
            captures=[capture.source for capture in CAPTURES.values()],
            attack_spans=CONFIG.dataset.attack_spans,
        log:
            f"{RESULTS}/{DATASET}/logs/simulate.log",
        benchmark:
            f"{RESULTS}/{DATASET}/benchmarks/simulate.tsv"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            folder=lambda w, output: str(Path(output.attack_spans).parent),
            settings=section(CONFIG, "simulate"),
            code=CODE["simulate"],
        message:
            "simulate the demo's vehicles and attacks"
        script:
            "../scripts/simulate.py"


rule ingest:
    input:
        source=source_of,
        attack_spans=attack_spans(),
        attack_intervals=attack_intervals(),
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
        mem_mb=2000,
        runtime=30,
    params:
        vehicle=lambda w: capture_of(w).vehicle,
        attack_type=lambda w: capture_of(w).attack_type,
        strict=CONFIG.strict,
        reading=section(CONFIG, "dataset.reading")["dataset.reading"],
        code=CODE["ingest"],
    message:
        "ingest {wildcards.scenario}/{wildcards.capture}"
    script:
        "../scripts/ingest.py"
