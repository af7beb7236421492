"""Durable job queue and the handlers of the jobs."""
