"""Prometheus metrics: requests by route and status, seconds by route and step, queue lengths."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from snapfind.server.runtime.queue import BoundedQueue
from snapfind.server.runtime.trace import Trace

__all__ = ["Metrics"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "snapfind_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "snapfind_request_seconds",
            "Time from the first byte received to the last byte sent.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._steps = Histogram(
            "snapfind_step_seconds", "Time per step.", ("route", "step"), buckets=_BUCKETS, registry=self.registry
        )

        self.dropped = Counter(
            "snapfind_events_dropped", "Search events dropped because the disk is too slow.", registry=self.registry
        )

    def watch(self, name: str, queue: BoundedQueue) -> None:
        """Export the number of running and waiting requests of a queue."""
        gauge = Gauge(f"snapfind_{name}_inside", f"Requests that run or wait: {name}.", registry=self.registry)
        gauge.set_function(lambda: queue.inside)

    def count(self, trace: Trace, method: str, status: int) -> None:
        """Count an answered request."""
        self._requests.labels(trace.route, method, str(status)).inc()
        self._seconds.labels(trace.route).observe(trace.total / 1000)
        for step, spent in trace.steps.items():
            self._steps.labels(trace.route, step).observe(spent / 1000)

    def page(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
