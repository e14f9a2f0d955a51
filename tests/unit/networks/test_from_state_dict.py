from __future__ import annotations

import deterministic
import official_keys as keys
import pytest
import torch
from tiers import quick

from ml4a._core.errors import BadWeights, UnknownName
from ml4a.networks import from_state_dict
from ml4a.networks.architectures import ARCHITECTURES
from ml4a.networks.hed import HED
from ml4a.networks.rrdbnet import RRDBNet
from ml4a.networks.srvgg import SRVGGNetCompact
from ml4a.networks.vgg import VGG16

SMALL = {
    "rrdbnet": ("esrgan", keys.rrdbnet(8, 4, 1), RRDBNet),
    "rrdbnet, old keys": ("esrgan", keys.rrdbnet_old(features=8, growth=4, blocks=1), RRDBNet),
    "rrdbnet, numbered keys": ("esrgan", keys.rrdbnet_numbered(8, 4, 1), RRDBNet),
    "srvgg": ("esrgan", keys.srvgg(8, 2, 3), SRVGGNetCompact),
    "hed": ("hed", keys.hed((4, 5, 6, 7, 8)), HED),
    "vgg16": ("vgg16", keys.hed((4, 5, 6, 7, 8), "module"), VGG16),
}


@pytest.mark.parametrize("case", SMALL)
def test_the_keys_decide_which_network_it_is(case):
    name, shapes, network_class = SMALL[case]
    network = from_state_dict(name, deterministic.state_dict(shapes))
    assert type(network) is network_class
    assert not network.training
    assert all(tensor.dtype == torch.float32 and not tensor.is_meta for tensor in network.state_dict().values())
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("case", quick(SMALL, 2))
def test_any_missing_key_is_named(case):
    name, shapes, _ = SMALL[case]
    for key in shapes:
        state = deterministic.state_dict(shapes)
        del state[key]
        with pytest.raises(BadWeights) as error:
            from_state_dict(name, state)
        assert repr(key) in str(error.value)


@pytest.mark.parametrize("case", quick(SMALL, 2))
def test_any_misshaped_key_is_named(case):
    name, shapes, _ = SMALL[case]
    for key, sizes in shapes.items():
        # A wrong number of filters could be a width; one dimension more cannot be anything.
        state = deterministic.state_dict(shapes | {key: (*sizes, 1)})
        with pytest.raises(BadWeights) as error:
            from_state_dict(name, state)
        assert repr(key) in str(error.value)


@pytest.mark.parametrize("case", SMALL)
def test_an_unknown_key_is_named(case):
    name, shapes, _ = SMALL[case]
    with pytest.raises(BadWeights, match=r"'surplus\.weight'"):
        from_state_dict(name, deterministic.state_dict(shapes | {"surplus.weight": (1, 2)}))


def test_a_model_s_own_name_is_taken_for_its_network():
    network = from_state_dict("real_esrgan", deterministic.state_dict(keys.srvgg(8, 2, 2)))
    assert type(network) is SRVGGNetCompact


def test_an_official_file_s_wrapper_and_prefix_are_taken_off():
    state = deterministic.state_dict(keys.srvgg(8, 2, 2))
    wrapped = {"params": {}, "params_ema": {f"module.{key}": array for key, array in state.items()}}
    assert from_state_dict("esrgan", wrapped).scale == 2


def test_another_network_s_weights_are_recognised():
    with pytest.raises(BadWeights, match=r"they look like hed's \(HED\)"):
        from_state_dict("esrgan", deterministic.state_dict(keys.hed((4, 5, 6, 7, 8))))


def test_weights_of_no_known_network_are_refused_with_the_first_five_keys():
    state = deterministic.state_dict({f"layer{number}.weight": (2, 2) for number in range(7)})
    with pytest.raises(BadWeights, match=r"'layer4\.weight' and 2 more$"):
        from_state_dict("hed", state)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'esrgan'"):
        from_state_dict("esgran", {"a": torch.ones(1)})


def test_every_architecture_has_a_builder():
    nothing = {"a": torch.ones(1)}
    for rows in ARCHITECTURES.values():
        for row in rows:
            with pytest.raises(BadWeights):
                row.build(nothing)
