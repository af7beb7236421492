"""BLIP's decoder: merged tokens reach it, and layers drop the visual tokens that nobody looks at."""

import pytest
import torch

from snapfind.core.errors import BadInput
from snapfind.token_merging import prune_cross_attention, turbo
from tests.token_merging.tiny import pictures


@pytest.fixture(scope="module")
def captioner():
    """3 vision layers, 4 text layers; 64 patches."""
    library = pytest.importorskip("transformers")
    shape = {"hidden_size": 24, "intermediate_size": 48, "num_attention_heads": 3, "initializer_range": 0.2}
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 2}
    config = library.BlipConfig(
        text_config=shape | {"num_hidden_layers": 4, "vocab_size": 40, "encoder_hidden_size": 24} | special,
        vision_config=shape | {"num_hidden_layers": 3, "image_size": 32, "patch_size": 4},
    )
    torch.manual_seed(0)
    return library.BlipForConditionalGeneration(config).eval()


def words():
    return torch.tensor([[1, 5, 6, 7], [1, 8, 9, 3]])


def test_merged_tokens_are_passed_on_and_come_back_in_place(captioner):
    with torch.no_grad(), turbo(captioner, 0.7) as handle:
        made = captioner(pixel_values=pictures(), input_ids=words())
        tokens = made.last_hidden_state
        assert tokens.shape[1] == handle.sizes.shape[1] < 65
        back = handle.unmerge(tokens)
        assert back.shape == (2, 65, 24)
        assert torch.equal(back[0, 5], tokens[0, handle.groups[0, 5]])


def test_layers_keep_the_share_that_the_paper_gives_them_best_first(captioner):
    with torch.no_grad(), prune_cross_attention(captioner, floor=0.2, step=0.3) as pruning:
        made = captioner(pixel_values=pictures(), input_ids=words(), output_attentions=True)
        counts = [pruning.attended(layer).shape[1] for layer in range(4)]
        assert counts == [65, 26, 13, 13]  # 1 - 0.6 and then the floor of 65 tokens
        received = made.cross_attentions[0].mean(1).sum(1) if getattr(made, "cross_attentions", None) else None
        if received is not None:
            assert torch.equal(pruning.attended(1), received.topk(26).indices.sort(1).values)
        for layer in range(1, 4):
            assert all(
                set(row.tolist()) <= set(before.tolist())
                for row, before in zip(pruning.attended(layer), pruning.attended(layer - 1))
            )


def test_nothing_dropped_is_the_model_itself_and_so_is_removal(captioner):
    given = {"pixel_values": pictures(), "input_ids": words()}
    with torch.no_grad():
        before = captioner(**given).logits
        with prune_cross_attention(captioner, floor=1.0):
            assert torch.equal(captioner(**given).logits, before)
        with prune_cross_attention(captioner):
            assert not torch.equal(captioner(**given).logits, before)
        assert torch.equal(captioner(**given).logits, before)


@pytest.mark.parametrize("beams", [1, 2])
def test_captions_are_generated_with_and_without_a_cache(captioner, beams):
    def caption(**more):
        return captioner.generate(pixel_values=pictures(), max_new_tokens=5, num_beams=beams, do_sample=False, **more)

    with torch.no_grad():
        plain = caption()
        with turbo(captioner, 1), prune_cross_attention(captioner, floor=1.0):
            assert torch.equal(caption(), plain)
        with turbo(captioner, 0.6), prune_cross_attention(captioner):
            assert caption().shape[0] == 2 and caption(use_cache=False).shape[0] == 2


def test_what_cannot_be_pruned_is_told(captioner):
    with pytest.raises(BadInput, match="no cross-attention of BLIP"):
        prune_cross_attention(torch.nn.Linear(2, 2))
    with pytest.raises(BadInput, match="shares"):
        prune_cross_attention(captioner, floor=0)
