"""Directions in a generator's space of styles."""

from __future__ import annotations

from typing import Any

import deterministic
import numpy as np
import pytest
import torch
from checkpoints import idinvert
from small_generators import W_DIM, latent, small_generator

from ml4a import latents
from ml4a._core.errors import BadValue, BadWeights, NotFound
from ml4a.models import _directions
from ml4a.models._directions import Directions
from ml4a.networks import from_state_dict


@pytest.fixture(scope="module")
def network():
    return small_generator()


@pytest.fixture(scope="module")
def sefa(network):
    return _directions.sefa(network)


@pytest.fixture(scope="module")
def pca(network):
    return _directions.pca(network)


def mapped(network, count: int, seed: int) -> np.ndarray:
    """N×w_dim float64: what the network makes of z."""
    z = np.random.RandomState(seed).randn(count, network.z_dim).astype(np.float32)
    with torch.inference_mode():
        return network.map(torch.from_numpy(z))[:, 0].double().numpy()


def rows(network, names) -> np.ndarray:
    """The named layers' matrices, row by row of length 1."""
    matrix = np.concatenate([network.synthesis.get_submodule(f"{name}.affine").weight.numpy() for name in names])
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def same_but_for_signs(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(np.abs((a * b).sum(axis=1)), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["sefa", "pca"])
def test_they_are_orthonormal_and_point_to_where_their_largest_number_is_above_0(kind, request):
    found = request.getfixturevalue(kind)
    assert found.kind == kind
    assert found.vectors.shape == (W_DIM, W_DIM)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(W_DIM), atol=1e-5)
    assert (found.vectors.max(axis=1) == np.abs(found.vectors).max(axis=1)).all()


def test_sefa_s_are_the_singular_vectors_of_the_layers_matrices(network, sefa):
    layers = ["b4.conv1", "b4.torgb", *(f"b{side}.{name}" for side in (8, 16) for name in ("conv0", "conv1", "torgb"))]
    _, strengths, vectors = np.linalg.svd(rows(network, layers))
    assert (np.diff(strengths) < -1e-3).all(), "else the vectors are not determined"
    same_but_for_signs(sefa.vectors, vectors)
    along = mapped(network, 10_000, 0) @ sefa.vectors.T
    np.testing.assert_allclose(sefa.scales, along.std(axis=0), rtol=1e-4)


def test_sefa_s_of_some_layers_are_of_their_matrices_alone(network, sefa):
    found = _directions.sefa(network, 4, layers=[1, 2])  # of w 1: the colours of 4 pixels, and conv0 of 8
    _, _, vectors = np.linalg.svd(rows(network, ["b4.torgb", "b8.conv0", "b8.conv1"]))
    same_but_for_signs(found.vectors, vectors[:4])
    assert found.layers == (1, 2)
    assert np.abs((found.vectors * sefa.vectors[:4]).sum(axis=1)).min() < 0.99


def test_the_first_of_sefa_changes_layers_styles_more_than_the_last(network, sefa):
    matrix = rows(network, ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"])
    changes = np.linalg.norm(matrix @ sefa.vectors.T, axis=0)
    assert changes[0] > 1.5 * changes[-1]


def test_pca_s_are_the_eigenvectors_of_the_covariance(network, pca):
    variances, vectors = np.linalg.eigh(np.cov(mapped(network, 10_000, 0).T))
    np.testing.assert_allclose(pca.scales, np.sqrt(variances[::-1]), rtol=1e-4)
    apart = variances[::-1]
    sure = [number for number in range(8) if apart[number] > 1.01 * apart[number + 1]]
    assert len(sure) > 4
    same_but_for_signs(pca.vectors[sure], vectors.T[::-1][sure])


def test_pca_s_seed_decides(network):
    a, b, c = (_directions.pca(network, 3, samples=50, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(a.vectors, b.vectors)
    assert not np.allclose(a.vectors, c.vectors, atol=0.01)
    assert len(_directions.pca(network, samples=9)) == 8


def test_layers_that_have_styles_of_their_own_are_looked_at_together():
    network: Any = from_state_dict("idinvert", deterministic.state_dict(idinvert.SMALL["ffhq"]["generator"]))
    found = _directions.pca(network, 3, layers=[2, 3], samples=500)
    z = torch.from_numpy(np.random.RandomState(0).randn(500, network.z_dim).astype(np.float32))
    with torch.inference_mode():
        styles = network.map(z)[:, 2:4].double().mean(dim=1).numpy()
    variances, _ = np.linalg.eigh(np.cov(styles.T))
    np.testing.assert_allclose(found.scales, np.sqrt(variances[::-1][:3]), rtol=1e-4)
    assert _directions.sefa(network, 2).vectors.shape == (2, network.w_dim)


def test_styles_are_moved_in_the_layers_that_are_meant(network, pca):
    ws = network.map(latent("moved", 2))
    one = pca[1]
    everywhere = _directions.moved(ws, one, 2.0)
    step = torch.from_numpy(2 * pca.scales[1] * pca.vectors[1])
    torch.testing.assert_close(everywhere - ws, step.expand_as(ws), atol=1e-5, rtol=0)
    some = _directions.moved(ws, one, 2.0, [0, 3])
    assert torch.equal(some[:, [0, 3]], everywhere[:, [0, 3]])
    assert torch.equal(some[:, [1, 2, 4, 5]], ws[:, [1, 2, 4, 5]])
    meant = Directions("file", one.vectors, one.scales, (0, 3))
    assert torch.equal(_directions.moved(ws, meant, 2.0), some)
    assert torch.equal(_directions.moved(ws, meant, 2.0, range(6)), everywhere)
    with torch.inference_mode():
        changed = network.synthesize(everywhere) - network.synthesize(ws)
    assert changed.abs().mean() > 0.05
    for wrong in ([6], [-1], []):
        with pytest.raises(BadValue, match="from 0 to 5"):
            _directions.moved(ws, one, 1.0, wrong)
    with pytest.raises(BadValue, match="no direction for styles of 6×32"):
        _directions.moved(ws, pca[:2], 1.0)


def test_one_s_own_is_added_as_it_is(network):
    ws = network.map(latent("own"))
    mine = np.arange(W_DIM, dtype=np.float32)
    for values in (mine[None], np.broadcast_to(mine, (1, network.num_ws, W_DIM))):
        direction = _directions.own(network, latents.Latents(values, "w" if values.ndim == 2 else "w+"))
        torch.testing.assert_close(_directions.moved(ws, direction, 0.5)[0, 2], ws[0, 2] + 0.5 * torch.from_numpy(mine))
    for values in (mine[None, :5], np.stack([mine, mine])):
        with pytest.raises(BadValue, match="one of 32 or 6×32 numbers"):
            _directions.own(network, latents.Latents(values, "w"))


@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 5, 8)])
def test_plain_arrays_are_directions(tmp_path, shape):
    values = deterministic.normal("plain", shape)
    np.save(tmp_path / "plain.npy", values)
    found = _directions.load(tmp_path / "plain.npy")
    assert np.array_equal(found.vectors, values.reshape(-1, *shape[1:]) if len(shape) > 1 else values[None])
    assert (found.scales == 1).all()
    assert found.layers is None


def test_a_boundary_of_idinvert_knows_its_layers(tmp_path):
    values = deterministic.normal("boundary", (1, 5, 8))
    table = {"boundary": values, "meta_data": {"manipulate_layers": [0, 2]}}
    np.save(tmp_path / "age.npy", table, allow_pickle=True)  # type: ignore[arg-type]
    found = _directions.load(tmp_path / "age.npy")
    assert np.array_equal(found.vectors, values)
    assert found.layers == (0, 2)


class _Call:
    def __reduce__(self):
        return print, ("run",)


def test_what_is_no_direction_is_refused(tmp_path, capsys):
    def refused(name: str, match: str) -> None:
        with pytest.raises(BadWeights, match=match):
            _directions.load(tmp_path / name)

    np.save(tmp_path / "nan.npy", np.full(8, np.nan, np.float32))
    refused("nan.npy", "NaN")
    np.save(tmp_path / "complex.npy", np.ones(8, np.complex64))
    refused("complex.npy", "complex64")
    np.save(tmp_path / "deep.npy", np.ones((1, 2, 3, 4), np.float32))
    refused("deep.npy", "1×2×3×4")
    np.savez(tmp_path / "two.npz", a=np.ones(8), b=np.ones(8))
    refused("two.npz", "2 arrays")
    np.save(tmp_path / "layers.npy", {"boundary": np.ones((1, 8)), "meta_data": {"manipulate_layers": ["all"]}})  # type: ignore[arg-type]
    refused("layers.npy", "layers")
    np.save(tmp_path / "code.npy", {"boundary": _Call()})  # type: ignore[arg-type]
    refused("code.npy", "print")
    assert capsys.readouterr().out == ""
    with pytest.raises(NotFound):
        _directions.load(tmp_path / "none.npy")
