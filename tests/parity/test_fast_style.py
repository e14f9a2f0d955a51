"""The fast-style networks against the published graphs, run by onnxruntime; docs/fast_style.md has the figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from parity.onnx_float import float_model, session

from ml4a import weights
from ml4a.media import image
from ml4a.networks import from_state_dict
from ml4a.networks.ghiasi import StylePredictor, StyleTransformer
from ml4a.networks.multistyle import MultiStyle
from ml4a.networks.style_graph import state_dict_from_graph
from ml4a.weights import formats
from ml4a.weights.formats import onnx

SIZES = [(384, 384), (97, 131), (383, 517)]
STYLES = 26
LARGE = [pytest.param(384, 384, marks=pytest.mark.slow), pytest.param(255, 383, marks=pytest.mark.slow)]
"""For all styles in turn, each of which is a run of both networks."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """On a machine shared with other tests, two threads wait for each other longer than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    return weights.fetch("fast_style/magenta")


@pytest.fixture(scope="module")
def predictor(files: dict[str, Path]) -> StylePredictor:
    return network(files["predict"], StylePredictor)


@pytest.fixture(scope="module")
def transformer(files: dict[str, Path]) -> StyleTransformer:
    return network(files["transform"], StyleTransformer)


@pytest.fixture(scope="module")
def multistyle(files: dict[str, Path]) -> MultiStyle:
    return network(files["styles26"], MultiStyle)


@pytest.fixture(scope="module")
def float_predictor(files: dict[str, Path]) -> InferenceSession:
    return session(float_model(files["predict"]))


@pytest.fixture(scope="module")
def float_transformer(files: dict[str, Path]) -> InferenceSession:
    return session(float_model(files["transform"]))


@pytest.fixture(scope="module")
def published_multistyle(files: dict[str, Path]) -> InferenceSession:
    return session(files["styles26"])


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea"])
def test_the_style_vector_is_the_published_graphs(name, predictor, float_predictor):
    picture = photo(name, 256, 256)
    with torch.inference_mode():
        ours = predictor(picture).numpy()
    assert np.abs(ours - run(float_predictor, nhwc(picture)).reshape(1, 100)).max() <= 1e-4


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("content", "style"), [("astronaut", "coffee"), ("chelsea", "rocket"), ("rocket", "chelsea")])
def test_any_style_is_the_published_graphs(
    content, style, height, width, predictor, transformer, float_predictor, float_transformer
):
    picture, example = photo(content, height, width), photo(style, 256, 256)
    with torch.inference_mode():
        ours = transformer(picture, predictor(example)).numpy()
    vector = run(float_predictor, nhwc(example))
    theirs = nchw(run(float_transformer, nhwc(picture), vector))
    assert ours.shape == theirs.shape == (1, 3, up_to_4(height), up_to_4(width))
    assert np.abs(ours - theirs).max() <= 1e-4


@pytest.mark.parametrize(("content", "style"), [("astronaut", "coffee"), ("chelsea", "rocket"), ("rocket", "chelsea")])
def test_any_style_is_near_the_int8_files_own_result(content, style, predictor, transformer, files):
    picture, example = photo(content, 384, 384), photo(style, 256, 256)
    with torch.inference_mode():
        ours = transformer(picture, predictor(example)).numpy()
    vector = run(session(files["predict"]), nhwc(example))
    theirs = nchw(run(session(files["transform"]), nhwc(picture), vector))
    assert np.abs(ours - theirs).mean() <= 0.04


@pytest.mark.parametrize(("height", "width"), [(96, 144), (127, 95), *LARGE])
def test_every_built_in_style_is_the_published_graphs_on_chelsea(height, width, multistyle, published_multistyle):
    differences = differences_by_style("chelsea", height, width, multistyle, published_multistyle)
    assert len(differences) == STYLES
    assert max(difference.max() for difference in differences) <= 1e-4


@pytest.mark.parametrize(("height", "width"), [(127, 95), *LARGE])
@pytest.mark.parametrize("name", ["astronaut", "rocket"])
def test_every_built_in_style_is_the_published_graphs_on_flat_areas_as_far_as_float_order_allows(
    name, height, width, multistyle, published_multistyle
):
    differences = differences_by_style(name, height, width, multistyle, published_multistyle)
    assert max(difference.mean() for difference in differences) <= 1e-5
    assert max(difference.max() for difference in differences) <= 1e-3


def test_a_blend_of_built_in_styles_is_the_published_graphs(multistyle, published_multistyle):
    picture = photo("chelsea", 128, 192)
    blend = torch.zeros(1, STYLES)
    blend[0, 3], blend[0, 12] = 0.25, 0.75
    with torch.inference_mode():
        ours = multistyle(picture, blend).numpy()
    assert np.abs(ours - run(published_multistyle, picture.numpy(), blend[0].numpy())).max() <= 1e-4


def differences_by_style(
    name: str, height: int, width: int, ours: MultiStyle, theirs: InferenceSession
) -> list[np.ndarray]:
    picture = photo(name, height, width)
    with torch.inference_mode():
        return [
            np.abs(ours(picture, style[None]).numpy() - run(theirs, picture.numpy(), style.numpy()))
            for style in torch.eye(STYLES)
        ]


def network(path: Path, kind: type) -> Any:
    graph = onnx.dequantize(formats.read(path, "onnx"))
    built = from_state_dict("fast_style", state_dict_from_graph(graph.metadata["nodes"], graph.arrays()))
    assert isinstance(built, kind)
    return built


def photo(name: str, height: int, width: int) -> torch.Tensor:
    pixels = np.asarray(image.sample(name, (width, height)), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def run(graph: InferenceSession, *inputs: np.ndarray) -> np.ndarray:
    names = [item.name for item in graph.get_inputs()]
    return graph.run(None, dict(zip(names, inputs, strict=True)))[0]


def nhwc(picture: torch.Tensor) -> np.ndarray:
    return picture.permute(0, 2, 3, 1).numpy()


def nchw(pictures: np.ndarray) -> np.ndarray:
    return pictures.transpose(0, 3, 1, 2)


def up_to_4(side: int) -> int:
    return -(-side // 4) * 4
