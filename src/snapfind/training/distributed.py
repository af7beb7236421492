"""Process group of the ranks that torchrun started.

torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT
(docs.pytorch.org/docs/stable/elastic/run.html). Without them, or with a single rank, no group is created.
"""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snapfind.core.errors import BadInput

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

__all__ = ["Ranks", "count_ranks", "ranks"]

Device = Literal["cpu", "cuda"]
_FAILED = "snapfind/failed"  # counts the ranks that failed
_GONE = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
)  # messages of gloo when a rank has ended


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among the ranks.

    Attributes:
        number: Rank of this process.
        count: Number of ranks.
        machines: Number of machines.
    """

    number: int = 0
    count: int = 1
    machines: int = 1

    def share(self, batch: int) -> int:
        """Return this rank's share of a batch.

        Args:
            batch: Rows of all ranks together.

        Returns:
            Rows of one rank.

        Raises:
            BadInput: The batch cannot be divided evenly.
        """
        if batch % self.count:
            raise BadInput(f"A batch of {batch:,} cannot be divided evenly among {self.count} ranks. Change --batch.")
        return batch // self.count


def count_ranks() -> int:
    """Return the number of ranks that torchrun started, 1 if it did not start this process."""
    variables = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    return int(os.environ["WORLD_SIZE"]) if variables else 1


@contextmanager
def ranks(device: Device) -> Iterator[Ranks]:
    """Create the process group while the block runs: gloo on CPUs, NCCL on GPUs with one GPU per rank.

    An error on any rank ends all ranks. It is raised on the rank that failed first. The others exit silently with code
    2.

    Args:
        device: "cpu" or "cuda".

    Yields:
        The ranks.

    Raises:
        BadInput: There are fewer GPUs than ranks on this machine, or another rank was terminated.
    """
    count = count_ranks()
    local = int(os.environ.get("LOCAL_RANK", "0")) if count > 1 else 0
    if device == "cuda":
        _take_gpu(local)
    if count == 1:
        yield Ranks()
        return
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, number, count = next(rendezvous("env://"))
    group = PrefixStore("snapfind/group", store)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", store=group, rank=number, world_size=count)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Grad strides do not match"
            )  # about depthwise kernels, it costs only a copy
            yield Ranks(number, count, max(1, count // int(os.environ.get("LOCAL_WORLD_SIZE", count))))
        distributed.barrier()  # no rank leaves while another still writes or fails
    except BaseException as problem:
        if not _is_first(store):
            raise SystemExit(2) from None
        if isinstance(problem, RuntimeError) and any(message in str(problem) for message in _GONE):
            raise BadInput(
                "Another rank was terminated. Start all ranks again to resume from the checkpoint."
            ) from None
        raise
    finally:
        gc.collect()  # DistributedDataParallel, in a reference cycle, holds the group and must be deleted first
        distributed.destroy_process_group()


def _take_gpu(local: int) -> None:
    """Make GPU number `local` of this machine the current one. Raise BadInput if there is none."""
    import torch

    if local >= torch.cuda.device_count():
        raise BadInput(
            f"Rank {local} of this machine has no GPU ({torch.cuda.device_count()} found). Start fewer ranks, or give"
            " --device cpu."
        )
    torch.cuda.set_device(local)


def _is_first(store: "Store") -> bool:
    """Return whether no other rank has failed before. If the store is gone this is not known, and the answer is yes."""
    try:
        return store.add(_FAILED, 1) == 1
    except RuntimeError:
        return True
