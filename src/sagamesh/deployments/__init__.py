"""Versions of a project's workers on the server: who is current, who takes over, and when that is taken back."""
