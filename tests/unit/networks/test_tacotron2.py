"""How Tacotron 2 speaks: to its end, or until it is lost; alone as in company; by chance that can be had again."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import tacotron2 as official

from ml4a._core.errors import BadValue, BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.tacotron2_decoding import dropout

SMALL = official.HYPER_PARAMETERS["Tacotron2"]
TEXTS = [torch.tensor([40, 45, 52, 7]), torch.arange(38, 59), torch.tensor([60]), torch.arange(30, 40)]


def state() -> dict[str, np.ndarray]:
    return deterministic.state_dict(official.reader_shapes(**SMALL))


@pytest.fixture(scope="module")
def reader():
    return from_state_dict("tacotron2", official.counting(state(), 9))


def endless():
    """Its gate never says that it is the end."""
    return from_state_dict("tacotron2", official.counting(state(), 1000))


def generators(*seeds: int) -> list[torch.Generator | None]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def spoken(network, texts, seeds, longest=30, patience=None):
    masks = dropout(generators(*seeds), network.decoder.prenet_sizes)
    with torch.inference_mode():
        decoding = network.decoding(texts, masks, longest, patience)
        while decoding.step():
            pass
        return decoding.utterances


def test_it_speaks_until_the_gate_says_that_it_is_the_end(reader):
    (utterance,) = spoken(reader, TEXTS[:1], [1])
    assert utterance.mel.shape == (10, 9)
    assert utterance.finished
    assert (utterance.gate[:-1] < 0).all()
    assert utterance.gate[-1] > 0
    np.testing.assert_allclose(utterance.alignment.sum(dim=1), torch.ones(9), atol=1e-5)


def test_texts_of_a_batch_are_spoken_as_each_alone(reader):
    together = spoken(reader, TEXTS, [1, 2, 3, 4])
    for number, utterance in enumerate(together):
        (alone,) = spoken(reader, [TEXTS[number]], [number + 1])
        assert utterance.alignment.shape == (9, len(TEXTS[number]))
        for name in ("mel", "gate", "alignment"):
            np.testing.assert_allclose(getattr(utterance, name), getattr(alone, name), atol=1e-5)
    assert (together[0].mel - together[2].mel).abs().max() > 1e-3


def test_who_comes_to_the_end_first_leaves_the_others_as_they_are():
    network = endless()
    with torch.no_grad():  # the gate looks at what else is known: texts end one by one
        network.decoder.gate_layer.weight[:] = 30 * torch.from_numpy(deterministic.normal("gate", (1, 23)))
        network.decoder.gate_layer.bias[:] = -2
    together = spoken(network, TEXTS, [5, 6, 7, 8], longest=25)
    lengths = [utterance.mel.shape[1] for utterance in together]
    assert len(set(lengths)) > 1, lengths
    for number, utterance in enumerate(together):
        (alone,) = spoken(network, [TEXTS[number]], [number + 5], longest=25)
        assert alone.mel.shape == utterance.mel.shape
        np.testing.assert_allclose(utterance.mel, alone.mel, atol=1e-5)


def test_the_same_seed_says_the_same_and_dropout_is_never_off(reader):
    (first,), (again,), (other,) = (spoken(reader, TEXTS[:1], [seed]) for seed in (1, 1, 2))
    assert torch.equal(first.mel, again.mel)
    assert not torch.equal(first.mel, other.mel)


def test_dropout_is_one_half_twice_as_loud_and_the_same_in_any_company():
    alone, company = dropout(generators(3), (7, 9)), dropout(generators(8, 3), (7, 9))
    drawn = []
    for frame in range(200):
        masks = alone(frame)
        assert [tuple(mask.shape) for mask in masks] == [(1, 7), (1, 9)]
        assert all(torch.equal(a[0], b[1]) for a, b in zip(masks, company(frame), strict=True))
        drawn.append(torch.cat(masks, dim=1))
    values = torch.cat(drawn)
    assert set(values.unique().tolist()) == {0.0, 2.0}
    assert abs(float(values.mean()) - 1) < 0.05
    assert not torch.equal(values[0], values[64])


def test_the_longest_is_kept_to():
    (utterance,) = spoken(endless(), TEXTS[1:2], [1], longest=12)
    assert utterance.mel.shape == (10, 12)


def stuck(network, symbol: int, symbols: int):
    """Its attention stays where it is from the beginning: where the text's symbols all look alike, but for one."""
    with torch.no_grad():
        network.embedding.weight[:] = 0
        network.embedding.weight[50] = 3
    ids = torch.full((symbols,), 20)
    ids[symbol] = 50
    return ids


def test_attention_that_does_not_get_on_is_broken_off():
    network = endless()
    ids = stuck(network, 5, 40)
    utterances = spoken(network, [ids], [1], longest=400, patience=30)
    heads = utterances[0].alignment.argmax(dim=1)
    assert heads.max() < 37, "it never came to the end"
    assert not utterances[0].finished
    assert utterances[0].mel.shape[1] < 80, "it babbled on"
    assert utterances[0].mel.shape[1] == heads.tolist().index(heads.max()) + 1 + 16


def test_who_has_come_to_the_end_has_said_it_all_though_the_gate_does_not_say_so():
    network = endless()
    ids = stuck(network, 39, 40)
    (utterance,) = spoken(network, [ids], [1], longest=400, patience=30)
    assert utterance.alignment.argmax(dim=1).max() >= 37
    assert utterance.finished
    assert utterance.mel.shape[1] < 80


def test_forward_gives_the_refined_spectrogram_first_for_texts_of_one_length(reader):
    ids = torch.stack([torch.arange(20, 26), torch.arange(30, 36)])
    with torch.inference_mode():
        refined, mel, gate, alignment = reader(ids, 30, generator=torch.Generator().manual_seed(1))
        again = reader(ids, 30, generator=torch.Generator().manual_seed(1))[0]
        np.testing.assert_allclose(reader.refine(mel[1]), refined[1], atol=1e-6)
    assert torch.equal(refined, again)
    assert mel.shape == refined.shape == (2, 10, 9)
    assert gate.shape == (2, 9, 1)
    assert alignment.shape == (2, 9, 6)
    assert (refined - mel).abs().max() > 1e-3


def test_an_empty_text_is_refused(reader):
    for texts in ([], [torch.tensor([], dtype=torch.long)]):
        with pytest.raises(BadValue, match="empty"):
            spoken(reader, texts, [1] * len(texts))


@pytest.mark.parametrize(
    "key",
    [
        "embedding.weight",
        "encoder.convolutions.1.0.conv.bias",
        "encoder.lstm.weight_ih_l0_reverse",
        "decoder.prenet.layers.0.linear_layer.weight",
        "decoder.attention_layer.location_layer.location_dense.linear_layer.weight",
        "decoder.gate_layer.linear_layer.bias",
        "postnet.convolutions.2.1.running_var",
    ],
)
def test_a_missing_key_is_named(key):
    broken = state()
    del broken[key]
    with pytest.raises(BadWeights, match=key):
        from_state_dict("tacotron2", broken)


def test_what_is_broken_is_said():
    odd = state()
    odd["decoder.attention_layer.location_layer.location_conv.conv.weight"] = np.ones((4, 2, 6), np.float32)
    with pytest.raises(BadWeights, match="even width"):
        from_state_dict("tacotron2", odd)
    several = state()
    several["decoder.linear_projection.linear_layer.weight"] = np.ones((20, 23), np.float32)
    with pytest.raises(BadWeights, match="several frames at a time"):
        from_state_dict("tacotron2", several)
    with pytest.raises(BadWeights, match=r"'decoder.more.weight' unknown"):
        from_state_dict("tacotron2", state() | {"decoder.more.weight": np.ones(3, np.float32)})


def test_the_counters_of_batches_may_be_missing(reader):
    older = {key: array for key, array in official.counting(state(), 9).items() if not key.endswith("_tracked")}
    (first,), (second,) = (spoken(each, TEXTS[:1], [1]) for each in (reader, from_state_dict("tacotron2", older)))
    assert torch.equal(first.mel, second.mel)
