"""Figures of a worker process for Prometheus, beside those of the Temporal SDK."""
