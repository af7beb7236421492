"""`turbo` on timm's ViT: exactness, the way back, training."""

import pytest
import torch
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.token_merging import turbo
from tests.token_merging.tiny import pictures, timm_vit, tome_step


def test_ratio_1_changes_no_bit_and_removing_gives_the_model_back():
    model, seen = timm_vit(), pictures()
    before, keys = model(seen), list(model.state_dict())
    with turbo(model, 1):
        assert torch.equal(model(seen), before)
    handle = turbo(model, 0.6)
    assert list(model.state_dict()) == keys
    assert not torch.equal(model(seen), before)
    handle.remove()
    assert torch.equal(model(seen), before)
    assert not any("forward" in vars(block) for block in model.blocks)


@pytest.mark.parametrize("alpha", [0, 5])
def test_sizes_sum_to_n_and_groups_say_which_patch_went_where(alpha):
    model, seen = timm_vit(), pictures()
    with turbo(model, 0.6, alpha=alpha) as handle:
        model(seen)
        assert torch.equal(handle.sizes.sum(1), torch.full((2,), 65.0))
        for groups, sizes in zip(handle.groups, handle.sizes):
            assert torch.equal(groups.bincount(minlength=len(sizes)).float(), sizes)
        assert (handle.groups[:, 0] == 0).all() and (handle.sizes[:, 0] == 1).all()  # the class token stays alone


def test_alpha_0_is_tome_as_written_by_hand():
    model, picture = timm_vit(), pictures(1)
    with turbo(model, 0.7, alpha=0) as handle:
        got = model(picture)
        plan = handle.plan(65)
    with torch.no_grad():
        tokens = model.norm_pre(model._pos_embed(model.patch_embed(picture)))[0]
        sizes = torch.ones(65)
        for block, remove in zip(model.blocks, plan):
            q, k, v = block.attn.qkv(block.norm1(tokens)).view(len(tokens), 3, 3, 8).permute(1, 2, 0, 3)
            shares = (q @ k.transpose(1, 2) * 8**-0.5 + sizes.log()).softmax(-1)
            tokens = tokens + block.attn.proj((shares @ v).transpose(0, 1).reshape(len(tokens), 24))
            merged, grown = tome_step(tokens.double().numpy(), sizes.numpy(), k.mean(0).double().numpy(), remove)
            tokens, sizes = torch.from_numpy(merged).float(), torch.from_numpy(grown).float()
            tokens = tokens + block.mlp(block.norm2(tokens))
        wanted = model.forward_head(model.norm(tokens)[None])
    assert plan[0] > 3
    torch.testing.assert_close(got, wanted, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0, 5])
def test_merging_of_pairs_that_are_equal_is_exact(alpha):
    model, count = timm_vit(pos_embed="none", depth=3), 16
    half = pictures(2, 16)
    strips = functional.unfold(half, 4, stride=4).transpose(1, 2)  # (2, 16, 48): each patch twice, side by side
    doubled = functional.fold(strips.repeat_interleave(2, 1).transpose(1, 2), (16, 32), 4, stride=4)
    model.patch_embed.strict_img_size = False
    with torch.no_grad():
        whole = model(doubled)
        with turbo(model, (32 + 1 - count) / 33, alpha=alpha, schedule=(1, 0, 0)) as handle:
            merged = model(doubled)
            assert sorted(handle.sizes[0].tolist()) == [1.0] + [2.0] * count
    torch.testing.assert_close(merged, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pool", ["avg", "map"])
def test_models_without_a_class_token_pool_over_what_was_put_back(pool):
    model = timm_vit(class_token=False, global_pool=pool)
    with torch.no_grad(), turbo(model, 0.7) as handle:
        features = model.forward_features(pictures())
        assert features.shape[1] == 64
        assert len(features[0].unique(dim=0)) == handle.sizes.shape[1] < 64


def test_a_step_of_training_reaches_every_weight_also_in_bfloat16():
    model = timm_vit().train()
    for low in (False, True):
        model.zero_grad()
        with turbo(model, 0.6), torch.autocast("cpu", torch.bfloat16, enabled=low):
            functional.cross_entropy(model(pictures()), torch.tensor([1, 2])).backward()
        assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in model.parameters())


def test_bfloat16_and_float32_merge_to_nearly_the_same():
    model, seen = timm_vit(), pictures()
    with torch.no_grad(), turbo(model, 0.8):
        full = model(seen)
        with torch.autocast("cpu", torch.bfloat16):
            low = model(seen).float()
    assert functional.cosine_similarity(full, low).min() > 0.98


def test_a_batch_is_as_its_pictures_one_by_one():
    model, seen = timm_vit(), pictures(3)
    with torch.no_grad(), turbo(model, 0.6):
        torch.testing.assert_close(model(seen), torch.cat([model(one[None]) for one in seen]), atol=1e-5, rtol=1e-4)


def test_what_cannot_be_merged_is_told():
    model = timm_vit()
    with pytest.raises(BadInput, match="Linear has no blocks"):
        turbo(torch.nn.Linear(2, 2), 0.5)
    with pytest.raises(BadInput, match="above 0"):
        turbo(model, 0)
    with pytest.raises(BadInput, match="alpha"):
        turbo(model, 0.5, alpha=-1)
    with turbo(model, 0.6), pytest.raises(BadInput, match="replaced already"):
        turbo(model, 0.5)
    with turbo(model, 0.6) as handle, pytest.raises(BadInput, match="run the model first"):
        handle.groups  # noqa: B018
    with turbo(model, 0.6), pytest.raises(BadInput, match="attention mask"):
        model(pictures(), attn_mask=torch.zeros(65, 65))
    with turbo(model, 0.05), pytest.raises(BadInput, match="the least is"):
        model(pictures())


def test_gradient_checkpointing_which_runs_blocks_anew_is_told_and_the_next_pass_is_whole():
    model = timm_vit().train()
    with turbo(model, 0.6):
        before = model(pictures())
        model.set_grad_checkpointing(True)
        with pytest.raises(BadInput, match=r"block 3 of a merging model ran when block 0 was due; .*checkpointing"):
            model(pictures()).sum().backward()
        model.set_grad_checkpointing(False)
        torch.testing.assert_close(model(pictures()), before)
