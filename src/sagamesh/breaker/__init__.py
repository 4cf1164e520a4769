"""Circuit breakers: calls to something that fails are stopped, for the whole fleet, until probes succeed."""
