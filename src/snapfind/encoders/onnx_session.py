"""ONNX Runtime as every encoder here runs it: on the processor, its threads asleep while they wait."""

import os
import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from snapfind.core.errors import FREE_MEMORY, ModelBroken, OutOfMemory, is_out_of_memory

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["open_session"]


def open_session(model: bytes, threads: int) -> "InferenceSession":
    """`threads` 0 takes one for each core that this process may use.

    Raises ModelBroken when ONNX Runtime cannot read the model, OutOfMemory.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _cores()
    options.log_severity_level = 3
    # Spinning threads gain nothing for one query and take the cores from the index and from other queries
    # (benchmarks/query_latency.py: 12 ms a query where another session had just run).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _overflows():  # another way, exact and slower
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        if is_out_of_memory(problem):
            raise OutOfMemory(f"not enough memory to load the model; {FREE_MEMORY}") from problem
        raise ModelBroken(f"ONNX Runtime cannot load the model: {problem}") from problem


@cache
def _overflows() -> bool:
    """Whether sums of products of 8 bits overflow: on x86 without VNNI, and where nothing tells that it has it."""
    if platform.machine().lower() not in {"x86_64", "amd64", "i386", "i686"}:
        return False
    told = Path("/proc/cpuinfo")
    return not told.exists() or "vnni" not in told.read_text()


def _cores() -> int:
    """Cores that this process may use: in a container fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
