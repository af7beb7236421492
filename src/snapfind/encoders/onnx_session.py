"""ONNX Runtime sessions of the encoders: on the CPU, without spinning threads."""

import os
import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from snapfind.core.errors import FREE_MEMORY, ModelBroken, OutOfMemory, is_out_of_memory

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["open_session"]


def open_session(model: bytes, threads: int, *, arena: bool = True) -> "InferenceSession":
    """Open a model.

    Args:
        model: Content of an ONNX file.
        threads: Number of threads. 0 uses one for each core that this process may use.
        arena: Keep memory for the next call. For inputs of ever new sizes it would grow without use.

    Returns:
        The session.

    Raises:
        ModelBroken: If ONNX Runtime cannot read the model.
        OutOfMemory: If there is not enough memory.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _cores()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = options.enable_mem_pattern = arena
    # Spinning threads gain nothing for one query and take the cores from the index and from other queries
    # (benchmarks/query_latency.py: 12 ms a query where another session had just run).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _overflows():  # exact and slower
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        if is_out_of_memory(problem):
            raise OutOfMemory(f"not enough memory to load the model; {FREE_MEMORY}") from problem
        raise ModelBroken(f"ONNX Runtime cannot load the model: {problem}") from problem


@cache
def _overflows() -> bool:
    """Tell whether 8-bit products may overflow: on x86 without VNNI, or if VNNI is unknown."""
    if platform.machine().lower() not in {"x86_64", "amd64", "i386", "i686"}:
        return False
    cpuinfo = Path("/proc/cpuinfo")
    return not cpuinfo.exists() or "vnni" not in cpuinfo.read_text()


def _cores() -> int:
    """Return the number of cores that this process may use, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
