"""Everything about a model, nothing about a pipeline: bundles, recipes, training, evaluation."""
