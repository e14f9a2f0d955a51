"""WaveGlow against its formulas written out plainly, in parts, in batches, and from broken files."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import tacotron2 as official
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.networks import from_state_dict

SMALL = {**official.HYPER_PARAMETERS["WaveGlow"], "window": 128}
ODD = {"mels": 3, "sizes": [12, 10, 10, 4], "layers": 2, "channels": 5, "kernel": 5, "window": 96}


def state(**sizes) -> dict[str, np.ndarray]:
    return official.invertible(deterministic.state_dict(official.vocoder_shapes(**sizes)))


def network(**sizes):
    return from_state_dict("tacotron2", state(**sizes))


@pytest.fixture(scope="module")
def vocoder():
    return network(**official.HYPER_PARAMETERS["WaveGlow"])


def mels(count: int, bands: int, frames: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("mels", (count, bands, frames), -5, 1))


def weighed(weights, name):
    if f"{name}.weight" in weights:
        return weights[f"{name}.weight"]
    direction = weights[f"{name}.weight_v"]
    return direction * weights[f"{name}.weight_g"] / direction.norm(dim=(1, 2), keepdim=True)


def plainly(sizes, layers, weights, mel, noise, sigma):
    """The paper's formulas, one convolution at a time."""
    window = weights["upsample.weight"].shape[2]
    spread = F.conv_transpose1d(mel, weights["upsample.weight"], weights["upsample.bias"], stride=window // 4)
    spread = spread[:, :, : mel.shape[2] * window // 4]
    count, bands, samples = spread.shape
    groups = spread.reshape(count, bands, samples // sizes[0], sizes[0]).permute(0, 1, 3, 2)
    frames = groups.reshape(count, bands * sizes[0], -1)

    def conv(x, name, **options):
        return F.conv1d(x, weighed(weights, name), weights[f"{name}.bias"], **options)

    first = sizes[0] - sizes[-1]
    x = sigma * noise[:, first:]
    for flow in reversed(range(len(sizes))):
        half = sizes[flow] // 2
        still, moved = x[:, :half], x[:, half:]
        hidden, total = conv(still, f"WN.{flow}.start"), 0
        conditions = conv(frames, f"WN.{flow}.cond_layer").chunk(layers, dim=1)
        for layer in range(layers):
            name = f"WN.{flow}.in_layers.{layer}"
            pad = weighed(weights, name).shape[2] // 2 * 2**layer
            tanh, sigmoid = (conv(hidden, name, padding=pad, dilation=2**layer) + conditions[layer]).chunk(2, dim=1)
            out = conv(tanh.tanh() * sigmoid.sigmoid(), f"WN.{flow}.res_skip_layers.{layer}")
            if layer < layers - 1:
                onwards, out = out.chunk(2, dim=1)
                hidden = hidden + onwards
            total = total + out
        shift, scale = conv(total, f"WN.{flow}.end").chunk(2, dim=1)
        x = torch.cat((still, (moved - shift) / scale.exp()), dim=1)
        x = F.conv1d(x, torch.linalg.inv(weights[f"convinv.{flow}.conv.weight"][:, :, 0])[:, :, None])
        if flow and sizes[flow - 1] > sizes[flow]:
            before, first = first, first - (sizes[flow - 1] - sizes[flow])
            x = torch.cat((sigma * noise[:, first:before], x), dim=1)
    return x.transpose(1, 2).flatten(1)


@pytest.mark.parametrize("sizes", [SMALL, ODD], ids=["small", "odd"])
def test_it_computes_what_the_paper_says(sizes):
    weights = {key: torch.from_numpy(array) for key, array in state(**sizes).items()}
    built = network(**sizes)
    mel = mels(2, sizes["mels"], 3)
    noise = torch.from_numpy(deterministic.normal("z", (2, built.group, 3 * built.hop // built.group)))
    with torch.inference_mode():
        sound = built(mel, 0.7, noise)
        due = plainly(sizes["sizes"], sizes["layers"], weights, mel, noise, 0.7)
        np.testing.assert_allclose(sound, due, atol=1e-4 * due.std())
        np.testing.assert_allclose(built.latents(mel, sound), 0.7 * noise, atol=1e-4)
    assert sound.shape == (2, 3 * sizes["window"] // 4)
    assert sound.std() > 0.1


def test_sounds_of_a_batch_do_not_influence_each_other(vocoder):
    mel, noise = mels(3, 10, 4), vocoder.draw(4, 3, torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = vocoder(mel, 0.5, noise)
        alone = torch.cat([vocoder(mel[n : n + 1], 0.5, noise[n : n + 1]) for n in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 0.01


@pytest.mark.parametrize("most", [1, 5, 19, 40])
def test_parts_together_are_the_whole(most):
    built = network(**{**official.HYPER_PARAMETERS["WaveGlow"], "window": 128, "layers": 4})
    assert built.reach == 18, "4 flows of 15 groups of 8 samples, in frames of 32, and what upsampling reaches"
    frames = 70
    mel, noise = mels(1, 10, frames), built.draw(frames, 1, torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = built(mel, 0.666, noise)[0]
        parts = [
            built(mel[:, :, seen], 0.666, noise[:, :, groups])[0, keep]
            for seen, groups, keep in built.parts(frames, most)
        ]
    assert len(parts) == -(-frames // most)
    np.testing.assert_allclose(torch.cat(parts), whole, atol=1e-5)


def test_the_reach_is_as_far_as_sound_depends_on_frames_and_not_farther():
    built = network(**{**official.HYPER_PARAMETERS["WaveGlow"], "window": 128, "layers": 4})
    mel = mels(1, 10, 60)
    noise = torch.zeros(1, 8, 60 * 4)
    changed = mel.clone()
    changed[:, :, 30] += 1
    with torch.inference_mode():
        difference = (built(mel, 1.0, noise) - built(changed, 1.0, noise))[0].abs().reshape(60, -1).amax(dim=1)
    touched = np.flatnonzero(difference)
    assert 30 - built.reach <= touched.min()
    assert touched.max() <= 30 + built.reach
    assert touched.max() - touched.min() > built.reach


def test_a_seed_says_the_same_noise_and_time_comes_in_order(vocoder):
    drawn = vocoder.draw(3, 1, torch.Generator().manual_seed(4))
    longer = vocoder.draw(5, 1, torch.Generator().manual_seed(4))
    assert torch.equal(longer[:, :, : drawn.shape[2]], drawn)
    mel = mels(1, 10, 3)
    with torch.inference_mode():
        first, again, other = (vocoder(mel, generator=torch.Generator().manual_seed(seed)) for seed in (4, 4, 5))
        assert torch.equal(first, again)
        assert torch.equal(first, vocoder(mel, 1.0, drawn))
    assert not torch.equal(first, other)


def test_more_sigma_is_more_noise(vocoder):
    mel = mels(1, 10, 3)
    with torch.inference_mode():
        still, some, much = (
            vocoder(mel, sigma, generator=torch.Generator().manual_seed(1)) for sigma in (0.0, 0.3, 1.0)
        )
    assert 0 < (some - still).std() < (much - still).std()


def test_it_says_how_far_it_is(vocoder):
    mel, noise = mels(1, 10, 2), vocoder.draw(2)
    with torch.inference_mode():
        steps = list(vocoder.walk(mel, 1.0, noise))
        assert torch.equal(steps[-1], vocoder(mel, 1.0, noise))
    assert [step.shape[2] for step in steps[:-1]] == [6, 8, 8]


def test_files_without_weight_normalisation_and_of_whole_modules_are_the_same(vocoder):
    normed = {key: torch.from_numpy(array) for key, array in state(**official.HYPER_PARAMETERS["WaveGlow"]).items()}
    plain = {}
    for key in normed:
        layer, _, kind = key.rpartition(".")
        if kind == "weight_v":
            plain[f"{layer}.weight"] = weighed(normed, layer)
        elif kind != "weight_g":
            plain[key] = normed[key]
    mel, noise = mels(1, 10, 2), vocoder.draw(2)
    with torch.inference_mode():
        due = vocoder(mel, 1.0, noise)
        for same in (plain, {f"model.{key}": tensor for key, tensor in normed.items()}):
            np.testing.assert_allclose(from_state_dict("tacotron2", same)(mel, 1.0, noise), due, atol=1e-5)


@pytest.mark.parametrize(
    "key",
    [
        "upsample.bias",
        "WN.1.in_layers.2.weight_g",
        "WN.2.cond_layer.weight_v",
        "WN.0.in_layers.0.weight_v",
        "WN.3.end.weight",
        "convinv.2.conv.weight",
    ],
)
def test_a_missing_key_is_named(key):
    broken = state(**official.HYPER_PARAMETERS["WaveGlow"])
    del broken[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("tacotron2", broken)


def test_what_is_broken_is_said():
    whole = state(**official.HYPER_PARAMETERS["WaveGlow"])
    with pytest.raises(BadWeights, match=r"'WN.4.end.bias' unknown"):
        from_state_dict("tacotron2", whole | {"WN.4.end.bias": np.ones(4, np.float32)})
    with pytest.raises(BadWeights, match="another size"):
        from_state_dict("tacotron2", whole | {"WN.0.start.weight_g": np.ones((3, 1, 1), np.float32)})
    for name in ("weight_v", "weight_g"):
        with pytest.raises(BadWeights, match=rf"WN.0.start.{name}' of shape a single number, where 3 dimensions"):
            from_state_dict("tacotron2", whole | {f"WN.0.start.{name}": np.float32(1)[...]})
    with pytest.raises(BadWeights, match="without an inverse"):
        from_state_dict("tacotron2", whole | {"convinv.1.conv.weight": np.ones((8, 8, 1), np.float32)})
    with pytest.raises(BadWeights, match="do not grow"):
        from_state_dict("tacotron2", whole | {"convinv.3.conv.weight": np.ones((7, 7, 1), np.float32)})
    with pytest.raises(BadWeights, match="groups of 8"):
        from_state_dict("tacotron2", whole | {"upsample.weight": np.ones((10, 10, 1000), np.float32)})
