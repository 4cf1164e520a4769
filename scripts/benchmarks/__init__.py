"""Benchmarks of Sagamesh against the bare engine, and of itself over time. Run them by `scripts/bench`."""
