"""The embedded stack: the real Temporal server, the helpers and one process a pool, on this machine, supervised."""
