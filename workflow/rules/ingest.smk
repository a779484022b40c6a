# Log files -> canonical frame tables. For the demo, the log files are simulated first.


def source_of(wildcards):
    return CAPTURES[f"{wildcards.scenario}/{wildcards.capture}"].source


def attack_spans():
    return [CONFIG.dataset.attack_spans] if CONFIG.dataset.attack_spans else []


if CONFIG.dataset.simulated:

    rule simulate:
        output:
            captures=[capture.source for capture in CAPTURES.values()],
            attack_spans=CONFIG.dataset.attack_spans,
        log:
            f"{CONFIG.results}/{DATASET}/logs/simulate.log",
        benchmark:
            f"{CONFIG.results}/{DATASET}/benchmarks/simulate.tsv"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            folder=CONFIG.dataset.folder,
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
    output:
        frames=FRAMES,
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
        vehicle=lambda w: CAPTURES[f"{w.scenario}/{w.capture}"].vehicle,
        attack_type=lambda w: CAPTURES[f"{w.scenario}/{w.capture}"].attack_type,
        strict=CONFIG.strict,
        code=CODE["ingest"],
    message:
        "ingest {wildcards.scenario}/{wildcards.capture}"
    script:
        "../scripts/ingest.py"
