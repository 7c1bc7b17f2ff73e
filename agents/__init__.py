"""Who reacts: one file for each Faust agent, and the worker that runs them all."""
