"""Floor 5: params.yaml -> plan files -> Snakemake and DVC. Never imports torch: the Snakefile imports it."""
