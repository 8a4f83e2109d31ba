"""The studies of the paper's supplement on simulated pictures; see docs/studies.md."""
