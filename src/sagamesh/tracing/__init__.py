"""Traces: spans from the client through a task and its calls to what those call, sent over OTLP.

Nothing of OpenTelemetry is imported before `sagamesh.tracing.switch` finds that tracing is on.
"""
