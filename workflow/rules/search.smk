# A search: rounds of trials, each a variant whose settings Optuna chose by what the rounds before it reached.


rule ask_trials:
    input:
        before=journal_before,
        figures=lambda w: [path for _, _, path in figures_before(w)],
    output:
        journal=f"{SEARCH_ROUND}/journal.log",
        trials=f"{SEARCH_ROUND}/trials.json",
    log:
        f"{LOGS}/experiments/{{experiment}}-round-{{round}}.log",
    benchmark:
        f"{BENCHMARKS}/experiments/{{experiment}}-round-{{round}}.tsv"
    wildcard_constraints:
        round=r"\d+",
    threads: 1
    resources:
        mem_mb=by_size(1000),
        runtime=by_size(10),
    params:
        search=lambda w: {
            key: value for key, value in searched().items() if key != "trials"
        },
        reached=lambda w: [(trial, seed) for trial, seed, _ in figures_before(w)],
        code=CODE["search"],
    message:
        "ask for the trials of round {wildcards.round} of {wildcards.experiment} on {wildcards.dataset}"
    script:
        "../scripts/ask_trials.py"


rule best_trial:
    input:
        rounds=lambda w: round_files(w, "journal.log", search_rounds()),
        trials=lambda w: round_files(w, "trials.json", search_rounds()),
        figures=lambda w: [path for _, _, path in trial_figures(w, search_rounds())],
    output:
        table=f"{SEARCH}/trials.csv",
        study=f"{SEARCH}/study.log",
        best=f"{SEARCH}/best.yaml",
    log:
        f"{LOGS}/experiments/{{experiment}}-best.log",
    benchmark:
        f"{BENCHMARKS}/experiments/{{experiment}}-best.tsv"
    threads: 1
    resources:
        mem_mb=by_size(1000),
        runtime=by_size(10),
    params:
        search=lambda w: searched(),
        reached=lambda w: [
            (trial, seed) for trial, seed, _ in trial_figures(w, search_rounds())
        ],
        settings=[word for word in SETTINGS.overrides if "." in word.partition("=")[0]],
        code=CODE["search"],
    message:
        "collect the trials of {wildcards.experiment} on {wildcards.dataset}"
    script:
        "../scripts/best_trial.py"
