"""Routing that explains itself: who serves a call, by what it needs and by how the mesh stands."""
