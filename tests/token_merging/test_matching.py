"""Matching, merging and taking it back, as properties of any tokens."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snapfind.token_merging.informativity import Informativity, attention_received
from snapfind.token_merging.matching import match, redundancy, sources, targets
from snapfind.token_merging.merging import merge, unmerge


@st.composite
def merges(draw):
    """Tokens (2, n, 5), whole sizes, and a match of them."""
    prefix, n = draw(st.integers(0, 3)), draw(st.integers(6, 21))
    torch.manual_seed(draw(st.integers(0, 10_000)))
    tokens, sizes = torch.randn(2, n, 5), torch.randint(1, 5, (2, n)).float()
    scores = redundancy(torch.randn(2, 3, n, 4), prefix)
    return tokens, sizes, match(scores, n, prefix, draw(st.integers(0, scores.shape[1])))


@given(merges())
@settings(max_examples=60)
def test_sizes_sum_to_what_there_was_and_so_does_their_weighted_sum_of_tokens(given):
    tokens, sizes, found = given
    merged, grown = merge(tokens, sizes, found)
    assert merged.shape[1] == tokens.shape[1] - found.merged.shape[1] == grown.shape[1]
    assert torch.equal(grown.sum(1), sizes.sum(1))
    torch.testing.assert_close(torch.einsum("bn,bnc->bc", grown, merged), torch.einsum("bn,bnc->bc", sizes, tokens))


@given(merges())
@settings(max_examples=60)
def test_the_prefix_and_all_that_nothing_joins_come_back_to_their_places_bit_for_bit(given):
    tokens, sizes, found = given
    merged, _ = merge(tokens, sizes, found)
    back = unmerge(merged, found)
    assert torch.equal(merged[:, : found.prefix], tokens[:, : found.prefix])
    for picture in range(2):
        offset = found.prefix % 2
        gone = set((found.prefix + offset + 2 * found.merged[picture]).tolist())
        joined = set((found.prefix + 1 - offset + 2 * found.target[picture]).tolist())
        alone = [place for place in range(tokens.shape[1]) if place not in gone | joined]
        assert torch.equal(back[picture, alone], tokens[picture, alone])
        for source, target in zip(found.merged[picture], found.target[picture]):
            into = targets(back, found.prefix)[picture, target]
            assert torch.equal(sources(back, found.prefix)[picture, source], into)


def test_pictures_of_a_batch_do_not_touch_and_their_order_is_theirs():
    torch.manual_seed(1)
    keys, tokens, sizes = torch.randn(3, 2, 17, 4), torch.randn(3, 17, 5), torch.ones(3, 17)
    order = torch.tensor([2, 0, 1])
    whole, _ = merge(tokens, sizes, match(redundancy(keys, 1), 17, 1, 5))
    turned, _ = merge(tokens[order], sizes, match(redundancy(keys[order], 1), 17, 1, 5))
    assert torch.equal(whole[order], turned)


def test_value_keeps_a_token_that_redundancy_would_merge_and_does_not_choose_where_it_goes():
    likeness = torch.tensor([[[0.9, 0.1], [0.8, 0.2]]])
    value = torch.tensor([[1.0, 0.0]])
    plain = match(Informativity(alpha=0).scores(likeness, None, 0, 577), 4, 0, 1)
    valued = match(Informativity(alpha=5).scores(likeness, value, 0, 577), 4, 0, 1)
    assert (plain.merged.item(), valued.merged.item()) == (0, 1)
    assert plain.target.item() == valued.target.item() == 0


def test_the_term_of_value_is_the_published_one_at_577_tokens_and_fades_with_beta():
    zero, value = torch.zeros(1, 1, 1), torch.full((1, 1), 0.01)
    assert Informativity(5).scores(zero, value, 3, 577).item() == -0.01 * 150
    assert abs(Informativity(5, beta=0.5, gamma=1).scores(zero, value, 3, 577).item() + 0.01 * 150 / 4) < 1e-8


def test_attention_received_is_a_share_and_the_class_token_alone_is_its_row():
    torch.manual_seed(0)
    queries, keys, weights = torch.randn(2, 3, 9, 4), torch.randn(2, 3, 9, 4), torch.rand(2, 9)
    weights = weights / weights.sum(1, keepdim=True)
    every = attention_received(queries, keys, None, 0.5, weights)
    one = attention_received(queries[:, :, :1], keys, None, 0.5, torch.ones(2, 1))
    full = (queries @ keys.transpose(2, 3) * 0.5).softmax(-1)
    torch.testing.assert_close(every, torch.einsum("bq,bhqk->bk", weights, full) / 3)
    torch.testing.assert_close(one, full.mean(1)[:, 0])
    torch.testing.assert_close(every.sum(1), torch.ones(2))
