"""Every family of models: the same promises as timm's ViT keeps."""

import pytest
import torch
from torch import nn

from snapfind.core.errors import BadInput
from snapfind.token_merging import turbo
from tests.token_merging.tiny import pictures, timm_vit

SHAPE = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3}
PHOTO = {"image_size": 32, "patch_size": 4}
TEXT = SHAPE | {"vocab_size": 50, "max_position_embeddings": 16, "projection_dim": 16}


def hugging(name: str, **more: object) -> nn.Module:
    """A small vision model of transformers by the stem of its classes."""
    library = pytest.importorskip("transformers")
    config = getattr(library, f"{name}Config")(**SHAPE | PHOTO | more)
    torch.manual_seed(0)
    return getattr(library, f"{name}Model")(config).eval()


def open_clip(**more: object) -> nn.Module:
    tower = pytest.importorskip("open_clip").transformer.VisionTransformer
    torch.manual_seed(0)
    given = {"image_size": 32, "patch_size": 4, "width": 24, "layers": 3, "heads": 3, "mlp_ratio": 2.0}
    return tower(**given | {"output_dim": 16} | more).eval()


MODELS = {
    "timm, qk norm and layer scale": lambda: timm_vit(qk_norm=True, init_values=0.5),
    "timm, registers": lambda: timm_vit(reg_tokens=3),
    "open_clip": open_clip,
    "open_clip, mean": lambda: open_clip(pool_type="avg"),
    "ViT": lambda: hugging("ViT"),
    "DeiT": lambda: hugging("DeiT"),
    "DINOv2": lambda: hugging("Dinov2"),
    "DINOv2 with registers": lambda: hugging("Dinov2WithRegisters", num_register_tokens=2),
    "CLIP": lambda: hugging("CLIPVision"),
    "SigLIP": lambda: hugging("SiglipVision"),
    "BLIP": lambda: hugging("BlipVision", initializer_range=0.1),
}


def pooled(model: nn.Module, seen: torch.Tensor) -> torch.Tensor:
    """(n, d), whatever the model calls it."""
    made = model(seen)
    return made if isinstance(made, torch.Tensor) else made.pooler_output


@pytest.mark.parametrize("name", MODELS)
def test_merging_keeps_the_count_the_way_back_and_the_answer_near(name):
    model, seen = MODELS[name](), pictures()
    with torch.no_grad():
        before = pooled(model, seen)
        with turbo(model, 1):
            assert torch.equal(pooled(model, seen), before)
        with turbo(model, 0.8) as handle:
            after = pooled(model, seen)
            prefix = handle.sizes.sum(1)[0].item() - 64
            assert torch.equal(handle.sizes.sum(1), torch.full((2,), 64 + prefix))
            assert (handle.sizes[:, : int(prefix)] == 1).all()
            assert sum(handle.plan(64 + int(prefix))) == 64 + prefix - handle.sizes.shape[1] > 10
        assert torch.equal(pooled(model, seen), before)
    assert after.shape == before.shape and not torch.equal(after, before)
    assert torch.cosine_similarity(after, before).min() > 0.9


@pytest.mark.parametrize("name", [name for name in MODELS if name != "BLIP"])
def test_a_block_that_removes_nothing_is_still_the_librarys_own(name):
    """Merging in the first block alone: the later halves, cut open, must add up to the library's block."""
    model, seen = MODELS[name](), pictures()
    with torch.no_grad(), turbo(model, 0.9, schedule=(1, 0, 0, 0)[: 4 if "timm" in name else 3]) as handle:
        pooled(model, seen)
        stream = handle._stream
        tokens, block = torch.randn(2, 20, 24), stream.trunk.blocks[1]
        cut = stream.trunk.feed(block, stream.trunk.attend(block, tokens, None).tokens)
    with torch.no_grad():
        torch.testing.assert_close(cut, block(tokens, None), atol=1e-6, rtol=1e-5)


def test_both_towers_of_clip_only_the_vision_tower_merges():
    library = pytest.importorskip("transformers")
    config = library.CLIPConfig(
        text_config=TEXT, vision_config=SHAPE | PHOTO | {"projection_dim": 16}, projection_dim=16
    )
    torch.manual_seed(0)
    model = library.CLIPModel(config).eval()
    words = torch.arange(12).reshape(2, 6)
    with torch.no_grad():
        before = model(input_ids=words, pixel_values=pictures())
        with turbo(model, 0.8):
            after = model(input_ids=words, pixel_values=pictures())
    assert torch.equal(after.text_embeds, before.text_embeds)
    assert not torch.equal(after.image_embeds, before.image_embeds)
    assert torch.cosine_similarity(after.image_embeds, before.image_embeds).min() > 0.9


def test_dense_outputs_keep_their_places():
    model = hugging("Dinov2")
    with torch.no_grad():
        before = model(pictures()).last_hidden_state
        with turbo(model, 0.9):
            after = model(pictures()).last_hidden_state
    assert after.shape == before.shape
    own = torch.cosine_similarity(after, before, dim=-1).mean()
    assert own > 0.8 > torch.cosine_similarity(after, before.roll(7, 1), dim=-1).mean()


def test_attention_that_takes_no_mask_is_told():
    model = hugging("ViT")
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(BadInput, match="flash_attention_2 takes no mask"):
        turbo(model, 0.5)
