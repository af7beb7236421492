"""The self-attentions of a diffusion U-Net as diffusers names them: `attn1` of a BasicTransformerBlock."""

from torch import nn

__all__ = ["find_attentions"]


def find_attentions(model: nn.Module) -> list[nn.Module]:
    """In the order in which they run; none where the model is no such U-Net."""
    blocks = [module for module in model.modules() if type(module).__name__ == "BasicTransformerBlock"]
    return [own for block in blocks if isinstance(own := getattr(block, "attn1", None), nn.Module)]
