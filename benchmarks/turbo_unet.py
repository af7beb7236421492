"""Seconds of a pass through a diffusion U-Net whose self-attentions merge and restore. Prints Markdown.

    python benchmarks/turbo_unet.py            # needs diffusers

The finest two levels of Stable Diffusion 1's U-Net, random weights, latents of 64 x 64: 4,096 tokens in the attentions
that merge. Ratios take turns; the figure is the median of three.
"""

import statistics
import time

import torch
from diffusers import UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from snapfind.token_merging import turbo


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    model = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=768,
        attention_head_dim=8,
    ).eval()
    given = torch.randn(1, 4, 64, 64), 500, torch.randn(1, 77, 768)
    ratios = (1.0, 0.8, 0.6, 0.5)
    seconds: dict[float, list[float]] = {ratio: [] for ratio in ratios}
    flops = {}
    with torch.inference_mode():
        for lap in range(4):
            for ratio in ratios:
                with turbo(model, ratio):
                    if lap == 0:
                        with (
                            sdpa_kernel(SDPBackend.MATH),
                            FlopCounterMode(display=False) as counter,
                        ):
                            model(*given)
                        flops[ratio] = counter.get_total_flops() / 1e9
                        continue
                    start = time.perf_counter()
                    model(*given)
                    seconds[ratio].append(time.perf_counter() - start)
    print("| keep | seconds a pass | gain | GFLOPs | FLOPs gain |\n|---|---|---|---|---|")
    middle = {ratio: statistics.median(own) for ratio, own in seconds.items()}
    for ratio in ratios:
        print(
            f"| {ratio} | {middle[ratio]:.2f} | {middle[1.0] / middle[ratio]:.2f} "
            f"| {flops[ratio]:.0f} | {flops[1.0] / flops[ratio]:.2f} |"
        )


if __name__ == "__main__":
    main()
