"""The studies of the paper's supplement on simulated images; see docs/studies.md."""
