"""Other ways to run many trajectories of clipped SGD, for the engine's benchmark: loaded by nothing else."""
