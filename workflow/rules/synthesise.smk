# Attack-free training captures -> copies with attacks of every kind, to train on beside those that a dataset labels. A job
# makes all copies of a capture. Variants with more copies than others have a rule of their own for those.

for NAME, NUMBERS in synthesis_rules():

    rule:
        name:
            NAME
        input:
            record=record_of_capture,
        output:
            frames=[artifact(SYNTHESISED, number=number) for number in NUMBERS],
            record=[artifact(SYNTHESIS_RECORD, number=number) for number in NUMBERS],
        log:
            f"{LOGS}/synthesise/{{scenario}}/{{capture}}-{NUMBERS[0]}.log",
        benchmark:
            f"{BENCHMARKS}/synthesise/{{scenario}}/{{capture}}-{NUMBERS[0]}.tsv"
        threads: 1
        resources:
            mem_mb=by_size(2000),
            runtime=by_size(30 * len(NUMBERS)),
        params:
            **settings_for("synthesised"),
            code=CODE["synthesise"],
        message:
            "synthesise attacks on {wildcards.dataset}: {wildcards.scenario}/{wildcards.capture}"
        script:
            "../scripts/synthesise.py"
