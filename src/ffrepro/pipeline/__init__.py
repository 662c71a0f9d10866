"""Floor 5: params.yaml and studies -> plan files -> Snakemake and DVC. Never imports torch: the Snakefile imports it."""
