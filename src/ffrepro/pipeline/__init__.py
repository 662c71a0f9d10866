"""Floor 5: params.yaml and studies -> plan files -> Snakemake and DVC. No torch: the Snakefile imports it."""
