"""Reports: pages that are a pure function of a run's result files; torch is never imported."""
