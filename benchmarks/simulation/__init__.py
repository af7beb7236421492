"""Simulators with a known truth: logs, result lists and scenes that benchmarks and tests measure methods on.

They are here because benchmarks run as scripts, which see only this folder, while tests see the whole repository. The
installed package does not contain them.
"""
