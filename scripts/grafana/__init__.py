"""The dashboards, written as code."""
