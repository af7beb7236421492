"""Photos a second, FLOPs and memory of vision transformers with merged tokens, at keep ratios 1 to 0.4.

    python benchmarks/turbo_speed.py vit-s     # timm ViT-S/16, 224 px
    python benchmarks/turbo_speed.py vit-b     # timm ViT-B/16, 224 px
    python benchmarks/turbo_speed.py clip      # transformers CLIP ViT-B/16, a text of 16 tokens to each photo
    python benchmarks/turbo_speed.py vit-b-384 # timm ViT-B/16, 384 px: 577 tokens, the paper's
    python benchmarks/turbo_speed.py vit-s --onnx --batch 1    # exported, in ONNX Runtime

Weights are random: work does not depend on them. Ratios take turns in every round; a figure is the median of the rounds
and least to most of them stand beside. FLOPs are two a multiply-add, by torch.utils.flop_counter, attention written out
since it does not count the fused one; memory is the peak of what tensors of one pass hold, by PyTorch's profiler.
Prints Markdown.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel

from snapfind.token_merging import turbo

RATIOS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
ROUNDS = {1: 9, 32: 3}


def clip() -> nn.Module:
    """CLIP ViT-B/16 from its configuration."""
    tower = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    return CLIPModel(CLIPConfig(vision_config=tower | {"image_size": 224, "patch_size": 16}))


MODELS: dict[str, tuple[str, Callable[[], nn.Module], int]] = {
    "vit-s": ("ViT-S/16", lambda: timm.create_model("vit_small_patch16_224"), 224),
    "vit-b": ("ViT-B/16", lambda: timm.create_model("vit_base_patch16_224"), 224),
    "clip": ("CLIP ViT-B/16, photo and text", clip, 224),
    "vit-b-384": ("ViT-B/16 at 384 px", lambda: timm.create_model("vit_base_patch16_384"), 384),
}


def passes(model: nn.Module, batch: int, side: int) -> Callable[[], object]:
    """One pass over a batch."""
    photos = torch.randn(batch, 3, side, side)
    if isinstance(model, CLIPModel):
        words = torch.randint(1, 40_000, (batch, 16))
        return lambda: model(input_ids=words, pixel_values=photos)
    return lambda: model(photos)


def held(work: Callable[[], object]) -> float:
    """MB of tensors that one pass holds at its peak beyond what stood before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    own = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(own, key=lambda event: event.start_ns()))) / 2**20


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--alpha", type=float, default=5.0)
    parser.add_argument("--batch", type=int, action="append", choices=ROUNDS)
    parser.add_argument("--onnx", action="store_true", help="export and run in ONNX Runtime instead")
    args = parser.parse_args()
    name, make, side = MODELS[args.model]
    torch.manual_seed(0)
    model = make().eval()
    print(f"{name}, alpha {args.alpha:g}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}\n")
    if args.onnx:
        with torch.no_grad():
            for batch in args.batch or ROUNDS:
                exported(model, batch, side, args.alpha)
        return
    print(
        "| batch | keep | photos/s | least to most | gain | GFLOPs a photo | FLOPs gain | peak MB |\n|---"
        + "|---" * 7
        + "|"
    )
    with torch.inference_mode():
        for batch in args.batch or ROUNDS:
            table(model, batch, side, args.alpha)


def exported(model: nn.Module, batch: int, side: int, alpha: float) -> None:
    """Photos a second in ONNX Runtime, and how far its answer is from PyTorch's."""
    photos = torch.randn(batch, 3, side, side)
    sessions, far = {}, {}
    for ratio in (1.0, 0.6, 0.4):
        with tempfile.TemporaryDirectory() as folder, turbo(model, ratio, alpha=alpha):
            file = Path(folder) / "merging.onnx"
            names = {"input_names": ["photos"], "dynamo": True, "external_data": False, "verbose": False}
            torch.onnx.export(model, (photos,), file, **names)
            sessions[ratio] = InferenceSession(file, providers=["CPUExecutionProvider"])
            far[ratio] = float((model(photos) - torch.from_numpy(answer(sessions[ratio], photos))).abs().max())
    seconds: dict[float, list[float]] = {ratio: [] for ratio in sessions}
    for _ in range(ROUNDS[batch]):
        for ratio, session in sessions.items():
            start = time.perf_counter()
            answer(session, photos)
            seconds[ratio].append(time.perf_counter() - start)
    print("| batch | keep | photos/s in ONNX Runtime | gain | largest difference to PyTorch |\n|---|---|---|---|---|")
    first = statistics.median(seconds[1.0])
    for ratio, own in seconds.items():
        middle = statistics.median(own)
        print(f"| {batch} | {ratio} | {batch / middle:.1f} | {first / middle:.2f} | {far[ratio]:.0e} |")


def answer(session: InferenceSession, photos: torch.Tensor) -> NDArray[np.float32]:
    """The first output."""
    made: NDArray[np.float32] = session.run(None, {"photos": photos.numpy()})[0]
    return made


def table(model: nn.Module, batch: int, side: int, alpha: float) -> None:
    """The rows of one batch size."""
    work = passes(model, batch, side)
    seconds: dict[float, list[float]] = {ratio: [] for ratio in RATIOS}
    flops, peak = {}, {}
    for ratio in RATIOS:  # also warms up
        with turbo(model, ratio, alpha=alpha):
            peak[ratio] = held(work)
            with (
                sdpa_kernel(SDPBackend.MATH),
                FlopCounterMode(display=False) as counter,
            ):
                work()
            flops[ratio] = counter.get_total_flops() / batch / 1e9
    for _ in range(ROUNDS[batch]):
        for ratio in RATIOS:
            with turbo(model, ratio, alpha=alpha):
                start = time.perf_counter()
                work()
                seconds[ratio].append(time.perf_counter() - start)
    rates = {ratio: sorted(batch / second for second in seconds[ratio]) for ratio in RATIOS}
    first = statistics.median(rates[1.0])
    for ratio in RATIOS:
        rate = statistics.median(rates[ratio])
        print(
            f"| {batch} | {ratio} | {rate:.1f} | {rates[ratio][0]:.1f} to {rates[ratio][-1]:.1f} | {rate / first:.2f} "
            f"| {flops[ratio]:.2f} | {flops[1.0] / flops[ratio]:.2f} | {peak[ratio]:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
