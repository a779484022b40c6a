# canids: CAN logs -> frames -> graphs -> VGAE and GAT (teacher, student) -> fusion -> evaluation -> report.
#
#   snakemake --profile profiles/workstation                                  the embedded demo
#   snakemake --profile profiles/workstation --config dataset=hcrl_sa         another dataset
#   snakemake ... --config set="models.gat.dropout=0.1 fusion.gamma=0.8"      any other setting
#
#   snakemake ... --config "evaluate_on=[hcrl_sa]"                           the trained models on another dataset too
#   snakemake ... sweep --config experiment=sampling                        an experiment of config/experiments
#
# Targets: all (default), train, evaluate, report, sweep, ablation, search, pretrained.


import gc

# A plan of thousands of jobs is millions of objects that all stay: to look after each 700 whether some can go takes long.
gc.set_threshold(100_000, 50, 1000)


include: "workflow/rules/common.smk"
include: "workflow/rules/captures_common.smk"
include: "workflow/rules/fleet_common.smk"
include: "workflow/rules/graphs_common.smk"
include: "workflow/rules/training_common.smk"
include: "workflow/rules/results_common.smk"
include: "workflow/rules/resources_common.smk"
include: "workflow/rules/search_common.smk"


wildcard_constraints:
    dataset=any_of(VARIANTS),
    experiment="[^/]+",
    scale="teacher|student",
    seed=r"\d+",
    scenario="[^/]+",
    capture="[^/]+",
    fleet=any_of(FLEETS),
    part=r"\d+",
    other=any_of(SETTINGS.tested),


include: "workflow/rules/ingest.smk"
include: "workflow/rules/synthesise.smk"
include: "workflow/rules/simulate_fleet.smk"
include: "workflow/rules/graphs.smk"
include: "workflow/rules/batch_size.smk"
include: "workflow/rules/vgae.smk"
include: "workflow/rules/gat.smk"
include: "workflow/rules/fusion.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/evaluate_on.smk"
include: "workflow/rules/pretrained.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/summary.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/experiment.smk"
include: "workflow/rules/search.smk"


onstart:
    say_gpu_hours()


localrules:
    all,
    train,
    evaluate,
    sweep,
    ablation,
    search,
    ask_trials,
    best_trial,


rule all:
    default_target: True
    input:
        missing_tables,
        trained_models(),
        evaluations(),
        evaluations_on_others(),
        baselines(),
        SUMMARY,
        REPORT,
    message:
        "everything is there"


rule train:
    input:
        missing_tables,
        trained_models(),
    message:
        "every model is trained"


rule evaluate:
    input:
        missing_tables,
        evaluations(),
        evaluations_on_others(),
        baselines(),
        SUMMARY,
    message:
        "every model is evaluated"


rule sweep:
    input:
        experiment_summaries(),
    message:
        "the experiment is complete"


rule ablation:
    input:
        experiment_summaries(),
    message:
        "the ablation is complete"


rule search:
    input:
        search_results(),
    message:
        "the search is complete"
