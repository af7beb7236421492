"""Photos a second, FLOPs and memory of vision transformers with merged tokens, at keep ratios 1 to 0.4.

    python benchmarks/turbo_speed.py vit-s     # timm ViT-S/16, 224 px
    python benchmarks/turbo_speed.py vit-b     # timm ViT-B/16, 224 px
    python benchmarks/turbo_speed.py clip      # transformers CLIP ViT-B/16, a text of 16 tokens to each photo
    python benchmarks/turbo_speed.py vit-b-384 # timm ViT-B/16, 384 px: 577 tokens, the paper's

Weights are random: work does not depend on them. Ratios take turns in every round; a figure is the median of the rounds
and least to most of them stand beside. FLOPs are two a multiply-add, by torch.utils.flop_counter; memory is the peak of
what tensors of one pass hold, by PyTorch's profiler. Prints Markdown.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from itertools import accumulate

import timm
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel

from snapfind.turbo import turbo

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
    asked = parser.parse_args()
    name, make, side = MODELS[asked.model]
    torch.manual_seed(0)
    model = make().eval()
    print(f"{name}, alpha {asked.alpha:g}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}\n")
    print(
        "| batch | keep | photos/s | least to most | gain | GFLOPs a photo | FLOPs gain | peak MB |\n|---"
        + "|---" * 7
        + "|"
    )
    with torch.inference_mode():
        for batch in asked.batch or ROUNDS:
            table(model, batch, side, asked.alpha)


def table(model: nn.Module, batch: int, side: int, alpha: float) -> None:
    """The rows of one batch size."""
    work = passes(model, batch, side)
    seconds: dict[float, list[float]] = {ratio: [] for ratio in RATIOS}
    flops, peak = {}, {}
    for ratio in RATIOS:  # also warms up
        with turbo(model, ratio, alpha=alpha):
            peak[ratio] = held(work)
            with FlopCounterMode(display=False) as counter:
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
