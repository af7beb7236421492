"""A diffusion U-Net: self-attentions merge before and restore after, so its output keeps its shape."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.token_merging import turbo


class Attention(nn.Module):
    """Self-attention under the names that diffusers gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 2
        self.to_q, self.to_k, self.to_v = (nn.Linear(16, 16, bias=False) for _ in range(3))
        self.seen: list[int] = []

    def forward(self, tokens, encoder_hidden_states=None, attention_mask=None):
        self.seen.append(tokens.shape[1])
        q, k, v = (to(tokens).unflatten(2, (2, 8)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        mask = None if attention_mask is None else attention_mask[:, None]
        return functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)


class BasicTransformerBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn1 = nn.LayerNorm(16), Attention()

    def forward(self, tokens):
        return tokens + self.attn1(self.norm1(tokens), encoder_hidden_states=None, attention_mask=None)


class Net(nn.Module):
    """Full resolution, half of it, full again."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle, self.up = BasicTransformerBlock(), BasicTransformerBlock(), BasicTransformerBlock()

    def forward(self, tokens):
        fine = self.down(tokens)
        return self.up(fine + self.middle(fine[:, ::4]).repeat_interleave(4, 1))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.mark.parametrize("alpha", [0, 5])
def test_only_the_finest_attentions_merge_and_shapes_stay(net, alpha):
    tokens = torch.randn(2, 64, 16)
    before = net(tokens)
    with turbo(net, 0.6, alpha=alpha) as handle:
        after = net(tokens)
        assert torch.equal(handle.sizes.sum(1), torch.full((2,), 64.0))
        assert handle.groups.shape == (2, 64)
    seen = [block.attn1.seen for block in (net.down, net.middle, net.up)]
    assert seen == [[64, 38], [16, 16], [64, 38]]
    assert after.shape == before.shape and torch.cosine_similarity(after, before, dim=2).mean() > 0.9
    assert torch.equal(net(tokens), before)


def test_tokens_in_equal_pairs_merge_exactly(net):
    tokens = torch.randn(2, 16, 16).repeat_interleave(2, 1)
    block = net.down
    with torch.no_grad():
        whole = block(tokens)
        with turbo(block, 0.5):
            torch.testing.assert_close(block(tokens), whole)
            assert block.attn1.seen[-1] == 16


def test_less_than_half_and_masks_are_told(net):
    with pytest.raises(BadInput, match=r"0\.5 or more"):
        turbo(net, 0.4)
    with turbo(net, 0.6), pytest.raises(BadInput, match="plain ones"):
        net.down.attn1(torch.randn(1, 64, 16), attention_mask=torch.zeros(1, 1, 64))


def test_a_u_net_of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = diffusers.UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=2,
    ).eval()
    given = (torch.randn(2, 4, 16, 16), 5, torch.randn(2, 3, 8))
    with torch.no_grad():
        before = model(*given).sample
        with turbo(model, 1):
            assert torch.equal(model(*given).sample, before)
        with turbo(model, 0.6) as handle:
            after = model(*given).sample
            assert handle.sizes.shape == (2, 154)
        assert torch.equal(model(*given).sample, before)
    assert not torch.equal(after, before)
    assert torch.cosine_similarity(after.flatten(1), before.flatten(1)).min() > 0.95
