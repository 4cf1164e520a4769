"""Stand-ins for the outside world in the embedded stack: real servers that keep real books, and fail on request."""
