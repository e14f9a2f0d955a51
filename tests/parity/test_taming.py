"""Taming transformers against the original: VQGAN in three kinds, the transformer, the network that led training."""

from __future__ import annotations

import checkpoints
import deterministic
import numpy as np
import pytest
import torch
from checkpoints import taming_transformers as official
from figures import Figures
from tiers import quick
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.models._window_sampling import WindowSampler
from ml4a.networks import from_state_dict
from ml4a.networks.gpt import GPT, Cache, top_k
from ml4a.networks.net2net import CoordStage, Net2Net
from ml4a.networks.vqgan import VQModel
from ml4a.networks.vqgan_quantisers import temperature

pytestmark = pytest.mark.xdist_group("taming")
TOLERANCE = 1e-4
KEYS = {
    "f16_1024": "8acf990358c998b500ff1b8230085e89c2f946b7c57f8adeccf464e7f4e1cbab",
    "f16_16384": "1e8ed706ef4437dafc54e576eb970f36a32d57d0da7e92496403fdc0d97ca966",
    "gumbel_f8_8192": "2d12de0b1454314f28bc03eb3003de0350b0bdb0ccdc2d47c25eced9ab39cbef",
    "labels_182": "03591c86671037e10e23a82cd6817f2b8fc32ad3641629fd9e3070e888f8b614",
    "gpt_24x1024": "d64b68687de3798fa72d64703b604c2e853aa8a9eddcf3fe3c7ae027b3afb0f2",
    "discriminator": "0c3ae09b94257f32c882d3b6bb52fbbbc2d07491bc37d0ccc910d30e12c5cc59",
}
"""The digests of the keys and shapes of the original's networks."""
OFFICIAL = {
    "f16_1024": official.vqgan(),
    "f16_16384": official.vqgan(codes=16384),
    "gumbel_f8_8192": official.vqgan(multiples=(1, 1, 2, 4), attention=(3,), codes=8192, scored=True),
    "labels_182": official.vqgan(182, colorize=True),
    "gpt_24x1024": official.gpt(),
    "discriminator": official.discriminator(),
}
VQ = official.vqgan(3, 32, (1, 2, 2), 1, (2,), 16, 32, 8)
GUMBEL = official.vqgan(3, 32, (1, 2), 1, (1,), 16, 24, 16, scored=True)
LABELS = official.vqgan(12, 32, (1, 2, 2), 1, (2,), 16, 16, 8, colorize=True)
TRANSFORMER = official.gpt(32, 40, 2, 32)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("taming")


@pytest.fixture(scope="module", autouse=True)
def _without_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def vqgan() -> VQModel:
    return network(VQ)


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return uniform("taming_x", (2, 3, 32, 32), -1, 1)


def network(shapes, unmasked: int = 0):
    return from_state_dict("taming", official.state_dict(shapes, unmasked))


def transformer(shapes=TRANSFORMER, heads: int = 4, unmasked: int = 0) -> GPT:
    found = network(shapes, unmasked)
    found.heads = heads
    return found


def uniform(name: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform(name, shape, low, high))


def integers(name: str, shape: tuple[int, ...], below: int) -> torch.Tensor:
    return uniform(name, shape, 0, below).floor().long()


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_are_the_official_ones(name):
    assert checkpoints.digest(OFFICIAL[name]) == KEYS[name]


def test_a_picture_becomes_the_original_tokens_and_comes_back(vqgan, picture, figures):
    vectors = vqgan.encode(picture)
    assert figures.error("vq_encoder", vqgan.encoder(picture)) < TOLERANCE
    assert figures.error("vq_prequant", vectors) < TOLERANCE
    tokens = vqgan.tokens(picture)
    assert np.array_equal(tokens, figures["vq_indices"])
    quantised = vqgan.quantize.vectors(tokens)
    assert figures.error("vq_quant", quantised) < TOLERANCE
    for name in ("vq_emb_loss", "vq_emb_loss_nonlegacy"):
        assert vqgan.quantize.loss(vectors, quantised).item() == pytest.approx(float(figures[name]), rel=1e-5)
    assert figures.error("vq_rec", vqgan(picture)) < TOLERANCE


def test_tokens_become_the_original_picture(vqgan, figures):
    tokens = integers("taming_idx", (2, 8, 8), 32)
    assert np.array_equal(tokens, figures["vq_code_in"])
    assert figures.error("vq_decode_indices", vqgan.decode_tokens(tokens)) < TOLERANCE


def test_attention_and_halving_are_the_original_ones(vqgan, figures):
    attended = vqgan.encoder.mid.attn_1(uniform("taming_attn", (1, 64, 4, 6), -1, 1))
    assert figures.error("vq_attn_mid_1_64_4_6", attended) < TOLERANCE
    halved = vqgan.encoder.down[0].downsample(uniform("taming_down", (1, 32, 7, 8), -1, 1))
    assert figures.error("vq_downsample_1_32_7_8", halved) < TOLERANCE


def test_a_doubled_picture_need_not_be_made(vqgan):
    x = uniform("doubling", (2, 64, 5, 7), -1, 1)
    doubling = vqgan.decoder.up[1].upsample
    plain = doubling.conv(F.interpolate(x, scale_factor=2.0))
    assert (doubling(x) - plain).abs().max() < 1e-5 * plain.std()


def test_scored_tokens_are_the_original_ones(picture, figures):
    gumbel = network(GUMBEL)
    vectors = gumbel.encode(picture)
    logits = gumbel.quantize.logits(vectors)
    assert figures.error("gumbel_prequant", vectors) < TOLERANCE
    assert figures.error("gumbel_logits", logits) < TOLERANCE
    tokens = gumbel.tokens(picture)
    assert np.array_equal(tokens, figures["gumbel_argmax"])
    assert figures.error("gumbel_quant_argmax", gumbel.quantize.vectors(tokens)) < TOLERANCE
    assert figures.error("gumbel_rec_argmax", gumbel(picture)) < TOLERANCE
    assert gumbel.quantize.loss(logits).item() == pytest.approx(float(figures["gumbel_kl"]), rel=1e-5)


def test_chance_falls_as_in_the_original_training(figures):
    steps = (0, 1, 1000, 500_000, 1_000_001, 2_000_000)
    np.testing.assert_allclose([temperature(step) for step in steps], figures["temperature_schedule"], rtol=1e-9)


def test_labels_become_the_original_tokens_and_scores(figures):
    labels = network(LABELS)
    hot = F.one_hot(integers("taming_seg", (2, 32, 32), 12), 12).permute(0, 3, 1, 2).float()
    assert np.array_equal(labels.tokens(hot), figures["seg_indices"])
    assert figures.error("seg_logits", labels(hot)) < TOLERANCE
    assert figures.error("seg_to_rgb", labels.to_rgb(hot)) < TOLERANCE


def test_the_transformer_is_the_original_one(figures):
    tokens, targets = integers("taming_gpt", (2, 30), 32), integers("taming_gpt_t", (2, 30), 32)
    mixed = transformer(unmasked=6)
    assert mixed.unmasked == 6
    assert figures.error("gpt_logits", mixed(tokens)) < TOLERANCE
    after = mixed(tokens, uniform("taming_emb", (2, 5, 32), -1, 1))[:, -2:]
    assert figures.error("gpt_logits_with_embeddings", after) < TOLERANCE
    assert mixed.loss(tokens, targets).item() == pytest.approx(float(figures["gpt_loss"]), rel=1e-5)
    assert figures.error("gpt_logits_causal", transformer()(tokens)) < TOLERANCE


def test_all_but_the_highest_scores_are_ruled_out_as_in_the_original(figures):
    assert np.array_equal(top_k(torch.from_numpy(figures["topk_in"]), 3), figures["topk3_out"])


def test_the_likeliest_tokens_after_a_condition_are_the_original_ones(figures):
    writer = transformer()
    cache = Cache.of(writer, 2)
    token, written = integers("taming_c1", (2, 4), 32), []
    for _ in range(12):
        token = writer.follow(token, cache).argmax(dim=1, keepdim=True)
        written.append(token)
    assert np.array_equal(torch.cat(written, dim=1), figures["net2net_greedy"])


def test_windows_over_a_large_picture_are_the_original_ones(figures):
    given = integers("taming_c", (1, 18, 20), 32)
    assert np.array_equal(given, figures["window_cidx"])
    sampler = WindowSampler(transformer(official.gpt(32, 512, 2, 32), heads=2), given[0], 32, temperature=0)
    local = [[sampler.local(row, column) for column in range(20)] for row in range(18)]
    assert np.array_equal(local, figures["window_local"])
    assert figures.error("window_first_logits", sampler.logits(0, 0)[None]) < TOLERANCE
    assert list(sampler.rows()) == list(range(1, 19))
    assert np.array_equal(sampler.tokens[None], figures["window_idx"])


def test_coordinates_become_the_original_tokens(figures):
    places = torch.arange(64 * 48).view(1, 1, 64, 48) / (64 * 48)
    assert np.array_equal(CoordStage(1024).tokens(places)[None], figures["coord_ind_64x48"])
    assert CoordStage(1024).tokens(torch.ones(1, 1, 16, 32)).tolist() == [[[1023, 1023]]]


@pytest.mark.parametrize("kind", ["bn", "actnorm"])
def test_the_discriminator_is_the_original_one(kind, figures):
    judge = network(official.discriminator(width=8, actnorm=kind == "actnorm"))
    assert figures.error(f"disc_{kind}", judge(uniform("taming_disc", (2, 3, 48, 48), -1, 1))) < TOLERANCE


def test_one_checkpoint_makes_all_three_networks(picture):
    small = {"width": 32, "multiples": (1, 1), "blocks": 1, "attention": (), "latent": 8, "codes": 32, "code_width": 8}
    whole = official.net2net(
        official.vqgan(**small) | {"loss.x": (3,)},
        official.vqgan(5, **small, colorize=True),
        official.gpt(32, 600, 1, 32),
    )
    made = from_state_dict("taming_transformers", official.state_dict(whole))
    assert isinstance(made, Net2Net)
    hot = F.one_hot(integers("labels", (2, 32, 32), 5), 5).permute(0, 3, 1, 2).float()
    logits = made(picture, hot)
    assert logits.shape == (2, 256, 32)
    tokens = made.first_stage_model.tokens(picture).flatten(1)
    given = made.cond_stage_model.tokens(hot).flatten(1)
    step = made.transformer(torch.cat((given, tokens[:, :100]), dim=1))[:, -1]
    assert (logits[:, 100] - step).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("shapes", "key"),
    quick(
        [
            (VQ, "encoder.down.2.attn.0.norm.weight"),
            (TRANSFORMER, "blocks.1.attn.mask"),
            (official.SMALL_SCENES, "cond_stage_model.decoder.mid.attn_1.k.bias"),
            (VQ, "encoder.conv_in.weight"),
            (VQ, "decoder.up.1.upsample.conv.bias"),
            (VQ, "quantize.embedding.weight"),
            (GUMBEL, "quantize.proj.weight"),
            (TRANSFORMER, "ln_f.bias"),
            (official.SMALL_SCENES, "first_stage_model.quant_conv.weight"),
            (official.SMALL_SCENES, "transformer.head.weight"),
        ],
        3,
        rows=True,
    ),
)
def test_a_missing_key_is_named(shapes, key):
    state = official.state_dict(shapes)
    del state[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("taming", state)


def test_an_unknown_key_is_named_unless_only_training_needs_it():
    state = official.state_dict(VQ)
    alike = from_state_dict("taming", state | {"loss.perceptual_loss.lin0.model.1.weight": np.ones(3, np.float32)})
    assert "loss" not in dict(alike.named_children())
    with pytest.raises(BadWeights, match=r"encoder\.conv_more"):
        from_state_dict("taming", state | {"encoder.conv_more": np.ones(3, np.float32)})


def test_parts_that_do_not_fit_each_other_are_refused():
    whole = official.net2net(VQ, {}, official.gpt(31, 40, 1, 32))
    with pytest.raises(BadWeights, match="knows 31 tokens, but pictures have 32"):
        network(whole)


def test_widths_that_cannot_be_normalised_and_masks_of_no_kind_are_refused():
    with pytest.raises(BadWeights, match="multiples of 32"):
        network(official.vqgan(3, 24, (1, 2), 1, (), 8, 8, 8))
    state = official.state_dict(TRANSFORMER)
    state["blocks.0.attn.mask"] = np.ones((1, 1, 40, 40), np.float32) - state["blocks.0.attn.mask"]
    with pytest.raises(BadWeights, match="mask"):
        from_state_dict("taming", state)


@pytest.mark.parametrize("size", [(8, 8), (12, 40)])
def test_pictures_of_a_batch_of_any_size_do_not_influence_each_other(vqgan, size):
    pictures = uniform("batch", (3, 3, *size), -1, 1)
    together = vqgan(pictures)
    alone = torch.cat([vqgan(each[None]) for each in pictures])
    assert together.shape == pictures.shape
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 1e-2


def test_gradients_reach_the_picture(vqgan):
    with torch.inference_mode(False), torch.enable_grad():
        copy = network(VQ)
        x = uniform("gradient", (1, 3, 16, 16), -1, 1).clone().requires_grad_()
        copy.decode(copy.encode(x)).square().mean().backward()
        assert x.grad is not None
        assert x.grad.abs().min() > 0
