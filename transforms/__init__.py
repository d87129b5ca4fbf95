"""The steps of the main job, one file a step, in the order the data flows."""
