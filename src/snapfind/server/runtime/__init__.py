"""Queues, rate limits, traces and metrics of a running server."""
