"""The ranks that torchrun started: the group begun from its environment, ended whole, with one to speak for all.

torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT
(docs.pytorch.org/docs/stable/elastic/run.html). Without them, or with a single rank, nothing is begun.
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

__all__ = ["Ranks", "launched", "ranks"]

Device = Literal["cpu", "cuda"]
_FAILED = "snapfind/failed"  # counts the ranks that failed
_GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")  # what gloo says of a rank that ended


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process is rank `number` of `count`, which `machines` machines share."""

    number: int = 0
    count: int = 1
    machines: int = 1

    def share(self, batch: int) -> int:
        """The part of a batch that is this rank's. Raises BadInput where it does not go out even."""
        if batch % self.count:
            raise BadInput(f"a batch of {batch:,} cannot be parted evenly among {self.count} ranks; change --batch")
        return batch // self.count


def launched() -> int:
    """How many ranks torchrun started; 1 where it did not start this process."""
    told = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    return int(os.environ["WORLD_SIZE"]) if told else 1


@contextmanager
def ranks(device: Device) -> Iterator[Ranks]:
    """The group of all ranks while the block runs: gloo on processors, NCCL on GPUs, one to a rank.

    An error on any rank ends all. It leaves the block on the rank that failed first; the others end silently, with exit
    code 2. Raises BadInput where there is no GPU for every rank.
    """
    count = launched()
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
            warnings.filterwarnings("ignore", "Grad strides do not match")  # said of depthwise kernels; costs a copy
            yield Ranks(number, count, max(1, count // int(os.environ.get("LOCAL_WORLD_SIZE", count))))
        distributed.barrier()  # none leaves while another still writes or fails
    except BaseException as problem:
        if not _is_first(store):
            raise SystemExit(2) from None
        if isinstance(problem, RuntimeError) and any(told in str(problem) for told in _GONE):
            raise BadInput(
                "another rank was ended from outside; start all again to go on from the checkpoint"
            ) from None
        raise
    finally:
        gc.collect()  # what holds the group (DistributedDataParallel, in a cycle) goes before it
        distributed.destroy_process_group()


def _take_gpu(local: int) -> None:
    """Makes GPU number `local` of this machine the one that "cuda" means. Raises BadInput."""
    import torch

    if local >= torch.cuda.device_count():
        raise BadInput(
            f"rank {local} of this machine has no GPU ({torch.cuda.device_count()} found); start fewer ranks, or give"
            " --device cpu"
        )
    torch.cuda.set_device(local)


def _is_first(store: "Store") -> bool:
    """Whether no other rank has failed before. A store that is gone cannot say: then this one speaks."""
    try:
        return store.add(_FAILED, 1) == 1
    except RuntimeError:
        return True
