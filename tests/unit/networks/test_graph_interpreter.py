"""Running a frozen graph: each operation, what is left out, and graphs that were made to do harm."""

from __future__ import annotations

from typing import Any

import glow_graph
import numpy as np
import pytest
import tf_files
import torch
from checkpoints import glow as official

from ml4a._core.errors import BadValue, BadWeights
from ml4a.networks import from_state_dict
from ml4a.networks.glow import quantised
from ml4a.networks.glow_graph import GraphGlow
from ml4a.networks.glow_layouts import MoreThanGlow, state_dict_from_graph
from ml4a.networks.graph_interpreter import Interpreter
from ml4a.weights.formats import tf_graph
from ml4a.weights.formats.graph import Node

SIDE = 16
CONTEXT = 0.1
SIZES = {
    "additive": {"levels": 2, "depth": 2, "width": 6},
    "affine": {
        "levels": 2,
        "depth": 1,
        "width": 5,
        "coupling": "affine",
        "permutation": "shuffle",
        "classes": 3,
    },
    "plain": {"levels": 2, "depth": 1, "width": 5, "permutation": "reversal", "learned_top": False},
}


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Node:
    return Node(op, name, inputs, (name,), attributes)


def computed(op: str, *operands: Any, **attributes: Any) -> np.ndarray:
    """What one node makes of constants."""
    constants = {f"c{number}": np.asarray(operand) for number, operand in enumerate(operands)}
    (found,) = Interpreter([node("it", op, *constants, **attributes)], constants).run(["it:0"])
    return found.numpy()


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_numbers_one_by_one():
    a, b = floats(3, 4), floats(4)
    for op, function in (("Add", np.add), ("AddV2", np.add), ("Sub", np.subtract), ("Mul", np.multiply)):
        np.testing.assert_allclose(computed(op, a, b), function(a, b), rtol=1e-6)
    np.testing.assert_allclose(computed("RealDiv", a, b), a / b, rtol=1e-6)
    np.testing.assert_allclose(computed("Pow", abs(a), b), abs(a) ** b, rtol=1e-5)
    np.testing.assert_array_equal(computed("Maximum", a, b), np.maximum(a, b))
    np.testing.assert_array_equal(computed("Minimum", a, b), np.minimum(a, b))
    for op, function in (("Neg", np.negative), ("Exp", np.exp), ("Floor", np.floor), ("Square", np.square)):
        np.testing.assert_allclose(computed(op, a), function(a), rtol=1e-6)
    np.testing.assert_allclose(computed("Rsqrt", abs(a)), 1 / np.sqrt(abs(a)), rtol=1e-5)
    np.testing.assert_allclose(computed("Sigmoid", a), 1 / (1 + np.exp(-a)), rtol=1e-5)
    np.testing.assert_array_equal(computed("Relu", a), np.maximum(a, 0))
    assert computed("Cast", np.array([1.7, -1.2], np.float32), DstT="int32").tolist() == [1, -1]


def test_shapes_and_places():
    x = floats(2, 3, 4)
    assert computed("Shape", x).tolist() == [2, 3, 4]
    np.testing.assert_array_equal(computed("Reshape", x, np.array([4, -1])), x.reshape(4, -1))
    np.testing.assert_array_equal(computed("Transpose", x, np.array([2, 0, 1])), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(computed("ConcatV2", x, x, np.array(-1)), np.concatenate([x, x], -1))
    np.testing.assert_array_equal(computed("Pack", x, x, axis=1), np.stack([x, x], 1))
    np.testing.assert_array_equal(computed("Tile", x, np.array([1, 2, 3])), np.tile(x, (1, 2, 3)))
    np.testing.assert_array_equal(
        computed("Pad", x, np.array([[0, 1], [2, 0], [0, 3]])), np.pad(x, [(0, 1), (2, 0), (0, 3)])
    )
    np.testing.assert_array_equal(computed("GatherV2", x, np.array([2, 0]), np.array(1)), x[:, [2, 0]])
    np.testing.assert_array_equal(computed("Fill", np.array([2, 3]), np.float32(7)), np.full((2, 3), 7, np.float32))
    one_hot = computed("OneHot", np.array([2, 0]), np.array(3), np.array(1), np.array(0), axis=-1)
    assert one_hot.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("bounds", "masks", "place"),
    [
        (([0, 1], [2, 3], [1, 1]), {}, np.s_[0:2, 1:3]),
        (([0, 0], [0, 0], [1, 2]), {"end_mask": 3}, np.s_[:, ::2]),
        (([0, 0], [0, 0], [1, -1]), {"begin_mask": 3, "end_mask": 3}, np.s_[:, ::-1]),
        (([-1, 3], [0, 0], [1, -2]), {"shrink_axis_mask": 1, "end_mask": 2}, np.s_[-1, 3::-2]),
        (([1], [2], [1]), {"shrink_axis_mask": 1}, np.s_[1]),
        (([5, 0], [9, 4], [1, 1]), {}, np.s_[5:9, 0:4]),
    ],
)
def test_slices(bounds, masks, place):
    x = floats(3, 4)
    np.testing.assert_array_equal(computed("StridedSlice", x, *map(np.array, bounds), **masks), x[place])


def test_sums_and_matrices():
    x, a, b = floats(2, 3, 4), floats(3, 4), floats(4, 5)
    np.testing.assert_allclose(computed("Sum", x, np.array([0, 2])), x.sum((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(computed("Mean", x, np.array([1]), keep_dims=True), x.mean(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(computed("MatMul", a, b), a @ b, rtol=1e-5)
    np.testing.assert_allclose(computed("MatMul", a, b.T, transpose_b=True), a @ b, rtol=1e-5)
    square = floats(4, 4).astype(np.float64)
    np.testing.assert_allclose(computed("MatrixInverse", square), np.linalg.inv(square), rtol=1e-6)
    np.testing.assert_allclose(computed("MatrixDeterminant", square), np.linalg.det(square), rtol=1e-6)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_convolutions_with_the_channels_last(padding):
    x, kernel = floats(2, 5, 6, 3), floats(3, 3, 3, 4)
    found = computed("Conv2D", x, kernel, strides=[1, 1, 1, 1], padding=padding, data_format="NHWC")
    padded = x if padding == "VALID" else np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    rows, columns = padded.shape[1] - 2, padded.shape[2] - 2
    due = sum(padded[:, r : r + rows, c : c + columns] @ kernel[r, c] for r in range(3) for c in range(3))
    np.testing.assert_allclose(found, due, atol=1e-5)


def test_nothing_is_drawn():
    for op in ("RandomUniform", "RandomStandardNormal"):
        assert computed(op, np.array([2, 3]), dtype="float32").tolist() == [[0, 0, 0]] * 2


def test_only_what_is_needed_is_computed_and_what_is_given_is_taken():
    nodes = [
        node("x", "Placeholder"),
        node("bad", "NoSuchOperation", "x"),
        node("double", "Add", "x", "x", "^bad"),
        node("more", "Mul", "double", "three"),
    ]
    graph = Interpreter(nodes, {"three": np.float32(3)})
    x = torch.tensor([1.0, 2.0])
    more, double = graph.run(["more", "double"], {"x": x})
    assert (more.tolist(), double.tolist()) == ([6, 12], [2, 4])
    assert graph.run(["more"], {"double": x})[0].tolist() == [3, 6]
    assert [graph.is_constant(name) for name in ("three", "more", "x", "bad")] == [True, False, False, False]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("out", "NoSuchOperation", "c")], "'NoSuchOperation'"),
        ([node("out", "Exp", "gone")], "'gone'"),
        ([node("out", "Exp", "in"), node("in", "Placeholder")], "'in' is an input"),
        ([node("out", "Exp", "out")], "needs its own result"),
        ([node("out", "Exp", "a"), node("a", "Neg", "b"), node("b", "Neg", "a")], "needs its own result"),
        ([node("out", "Exp", "c:1")], "second result"),
        ([node("out", "Exp")], "cannot be computed"),
        ([node("out", "Add", "c", "whole")], "two types"),
        ([node("out", "MatMul", "c", "c")], "cannot be computed"),
        ([node("out", "Fill", "huge", "c")], "larger than any"),
        ([node("out", "Tile", "c", "huge")], "larger than any"),
        ([node("out", "RandomUniform", "huge", dtype="float32")], "larger than any"),
        ([node("out", "RandomUniform", "whole", dtype="complex64")], "complex64"),
        ([node("out", "Add", "column", "row")], "larger than any"),
        ([node("out", "OneHot", "whole", "million", "million", "million")], "larger than any"),
        ([node("out", "Reshape", "c", "huge")], "cannot be computed"),
        ([node("out", "MatMul", "wide", "wide", transpose_a=True)], "larger than any"),
        ([node("out", "MatrixInverse", "square")], "larger than any"),
        ([node("out", "MatrixInverse", "cube")], "several matrices"),
        ([node("out", "GatherV2", "c", "huge", "nought")], "places that are not there"),
        ([node("out", "Conv2D", "c", "c", strides=[1, 2, 2, 1], padding="VALID")], "strides"),
        ([node("out", "Conv2D", "c", "c", data_format="NCHW")], "channels first"),
        ([node("out", "StridedSlice", "c", "nought", "nought", "nought")], "cannot be computed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(nodes, words):
    constants = {
        "c": np.ones(1, np.float32),
        "whole": np.ones(3, np.int32),
        "huge": np.array([1 << 30], np.int64),
        "million": np.array(1 << 30, np.int64),
        "nought": np.array([0], np.int64),
        "column": np.ones((1 << 15, 1), np.float32),
        "row": np.ones((1, 1 << 15), np.float32),
        "wide": np.ones((2, 1 << 14), np.float32),
        "square": np.broadcast_to(np.float32(1), (700, 700)),
        "cube": np.ones((2, 2, 2), np.float32),
    }
    with pytest.raises(BadWeights, match=words):
        Interpreter(nodes, constants).run(["out"])


def test_many_large_results_at_a_time_are_refused():
    constants = {"size": np.array([1 << 20]), "one": np.float32(1)}
    nodes = [node(f"n{number}", "Fill", "size", "one") for number in range(9)]
    nodes += [node("all", "Pack", *(f"n{number}" for number in range(9)))]
    with pytest.raises(BadWeights, match="larger than any"):
        Interpreter(nodes, constants, largest=8 << 20).run(["all"])
    chain = [node("n0", "Fill", "size", "one"), *(node(f"n{k}", "Exp", f"n{k - 1}") for k in range(1, 9))]
    assert Interpreter(chain, constants, largest=3 << 20).run(["n8"])[0].shape == (1 << 20,)


def test_deep_graphs_are_no_recursion():
    nodes = [node("n0", "Neg", "c"), *(node(f"n{number}", "Neg", f"n{number - 1}") for number in range(1, 5_000))]
    graph = Interpreter(nodes, {"c": np.float32(3)})
    assert graph.is_constant("n4999")
    assert graph.run(["n4999"])[0] == 3


# -- Glow's graph ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=SIZES)
def name(request) -> str:
    return request.param


@pytest.fixture(params=["as it was written", "folded"])
def graph(request, name, tmp_path):
    sizes = SIZES[name]
    nodes = glow_graph.nodes(
        official.state_dict(**sizes), SIDE, folded=request.param == "folded", classes=sizes.get("classes", 1)
    )
    return tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", nodes))


def test_a_network_of_the_graphs_weights_computes_what_the_graph_does(name, graph):
    state = state_dict_from_graph(graph.metadata["nodes"], graph.arrays())
    due = official.state_dict(**SIZES[name])
    assert state.keys() == due.keys()
    for key, weight in state.items():
        np.testing.assert_allclose(weight, due[key], atol=1e-6)
    network: Any = from_state_dict("glow", state)
    runner = Interpreter(graph.metadata["nodes"], graph.arrays())
    labels = torch.tensor([0, 2] if name == "affine" else [0, 0], dtype=torch.int32)
    own = labels if name == "affine" else None

    generator = torch.Generator().manual_seed(3)
    pictures = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)
    given = {"input/image": pictures, "input/label": labels}
    found = network(pictures.permute(0, 3, 1, 2), 5, own)
    for latents, wanted in zip(found, runner.run(["model/pool0/truediv_1", "model/truediv_4"], given), strict=True):
        np.testing.assert_allclose(latents.permute(0, 2, 3, 1), wanted, atol=1e-5, rtol=1e-4)

    noise = [torch.randn(2, *size, generator=generator) for size in network.sizes(SIDE, SIDE)]
    last = [each.permute(0, 2, 3, 1) for each in noise]
    given = {"Placeholder": last[0], "Placeholder_1": last[1], "input/label": labels}
    exact, rounded = runner.run(["model_1/Reshape_4", "model_1/Cast_1"], given)
    made = network.decode(noise, own).permute(0, 2, 3, 1)
    np.testing.assert_allclose(made, exact, atol=1e-5, rtol=1e-4)
    assert (quantised(made) != rounded).sum() <= 1


def small_graph(**changed: bytes) -> list[bytes]:
    """Nodes of a small graph, some of which are others."""
    nodes = glow_graph.nodes(official.state_dict(levels=1, depth=1, width=3), 4, folded=False)
    named = {each[2 : 2 + each[1]].decode(): each for each in nodes if each[1] < 128}
    assert changed.keys() <= named.keys()
    return list((named | changed).values())


def taken(nodes: list[bytes], tmp_path) -> dict[str, np.ndarray]:
    graph = tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", nodes))
    return state_dict_from_graph(graph.metadata["nodes"], graph.arrays())


def test_a_graph_that_was_taken_into_another(tmp_path):
    graph = tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", small_graph()))
    renamed = [
        Node(each.op, f"import/{each.name}", tuple(f"import/{given}" for given in each.inputs), (), each.attributes)
        for each in graph.metadata["nodes"]
    ]
    arrays = {f"import/{name}": array for name, array in graph.arrays().items()}
    assert state_dict_from_graph(renamed, arrays).keys() == taken(small_graph(), tmp_path).keys()


def with_context(value: str) -> list[bytes]:
    """A small graph in which something is added behind a convolution, as an earlier version of Glow could."""
    scope = "model/0/0/f1/l_1"
    more = tf_files.node(f"{scope}/add_3", "Add", f"{scope}/Conv2D", f"{scope}/context/{value}")
    after = tf_files.node(f"{scope}/actnorm_center/add", "Add", f"{scope}/add_3", f"{scope}/actnorm_center/b/read")
    context = [
        tf_files.constant(f"{scope}/context/constant", np.full((1, 1, 1, 3), CONTEXT, np.float32)),
        tf_files.node(f"{scope}/context/cast", "Cast", "input/label", DstT=np.dtype("float32")),
        tf_files.constant(f"{scope}/context/shape", np.array([-1, 1, 1, 1], np.int32)),
        tf_files.node(f"{scope}/context/label", "Reshape", f"{scope}/context/cast", f"{scope}/context/shape"),
        tf_files.node(f"{scope}/context/of_label", "Add", f"{scope}/context/label", f"{scope}/context/constant"),
    ]
    backwards = scope.replace("model", "model_1")
    again = [
        tf_files.node(f"{backwards}/add_3", "Add", f"{backwards}/Conv2D", f"{scope}/context/{value}"),
        tf_files.node(f"{backwards}/actnorm_center/add", "Add", f"{backwards}/add_3", f"{scope}/actnorm_center/b/read"),
    ]
    replaced = {f"{scope}/actnorm_center/add": after, f"{backwards}/actnorm_center/add": again[1]}
    return [*small_graph(**replaced), *context, more, again[0]]


@pytest.mark.parametrize("value", ["constant", "of_label"])
def test_a_graph_that_does_more_than_glow_is_told_and_can_be_run(value, tmp_path):
    with pytest.raises(MoreThanGlow, match=r"more than Glow.*l_1/add_3"):
        taken(with_context(value), tmp_path)
    graph = tf_graph.read(tmp_path / "graph.pb")
    flow = GraphGlow(graph.metadata["nodes"], graph.arrays())
    state = official.state_dict(levels=1, depth=1, width=3)
    state["model/0/0/f1/l_1/actnorm_center/b"] += np.float32(CONTEXT)
    network: Any = from_state_dict("glow", state)
    shades = torch.randint(0, 256, (2, 3, 4, 4), generator=torch.Generator().manual_seed(1))
    x = (shades + 0.5) / 256 - 0.5
    (found,) = flow.encode(x)
    (due,) = network.encode(((shades // 8) + 0.5) / 32 - 0.5)
    np.testing.assert_allclose(found, due, atol=1e-5)
    np.testing.assert_allclose(flow.decode([found]), network.decode([found]), atol=1e-5)
    assert (flow.decode([found]) - x).abs().max() <= 4.01 / 256
    assert flow.sizes(4, 4) == network.sizes(4, 4)
    with pytest.raises(BadValue, match="multiples of 2"):
        flow.encode(x[:, :, 1:])


def test_a_prior_that_was_computed_for_good_is_more_than_glow(tmp_path):
    mean = tf_files.constant("mean", np.full((1, 2, 2, 12), 0.3, np.float32))
    top = tf_files.node("model/sub_9", "Sub", "model/0/0/concat", "mean")
    with pytest.raises(MoreThanGlow, match="model/sub_9"):
        taken([*small_graph(**{"model/sub_9": top}), mean], tmp_path)


def test_a_step_that_does_something_else_is_noticed(tmp_path):
    sizes = {"levels": 1, "depth": 2, "width": 3}
    nodes = glow_graph.nodes(official.state_dict(**sizes), 4, folded=True)
    graph = tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", nodes))
    network: Any = from_state_dict("glow", state_dict_from_graph(graph.metadata["nodes"], graph.arrays()))
    assert GraphGlow(graph.metadata["nodes"], graph.arrays()).agrees_with(network)
    others = [
        Node("Sigmoid", each.name, each.inputs, each.outputs, each.attributes)
        if each.op == "Relu" and each.name.startswith("model/0/0/")
        else each
        for each in graph.metadata["nodes"]
    ]
    assert state_dict_from_graph(others, graph.arrays()).keys() == official.shapes(**sizes).keys()
    assert not GraphGlow(others, graph.arrays()).agrees_with(network)
    unknown = [
        Node("Elu", each.name, each.inputs, each.outputs, each.attributes) if each.op == "Relu" else each
        for each in graph.metadata["nodes"]
    ]
    with pytest.raises(BadWeights, match="'Elu'"):
        state_dict_from_graph(unknown, graph.arrays())


def test_graphs_that_cannot_be_run_as_published_are_refused(tmp_path):
    graph = tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", small_graph()))
    nodes, arrays = graph.metadata["nodes"], graph.arrays()
    for gone in ("input/image", "model/truediv_4", "model_1/Cast_1", "Placeholder"):
        with pytest.raises(BadWeights, match=f"{gone}|published"):
            GraphGlow([each for each in nodes if each.name != gone], arrays)
    vast = tf_files.node("input/image", "Placeholder", dtype=np.dtype("uint8"), shape=(-1, 1 << 20, 1 << 20, 3))
    graph = tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", small_graph(**{"input/image": vast})))
    with pytest.raises(BadWeights, match="1048576 px"):
        GraphGlow(graph.metadata["nodes"], graph.arrays())
    unrounded = tf_files.node("model_1/Cast_1", "Cast", "model_1/Reshape_4", DstT=np.dtype("uint8"))
    graph = tf_graph.read(tf_files.save_graph(tmp_path / "graph.pb", small_graph(**{"model_1/Cast_1": unrounded})))
    with pytest.raises(BadWeights, match="rounded"):
        GraphGlow(graph.metadata["nodes"], graph.arrays())


def test_graphs_that_are_no_glows_are_refused(tmp_path):
    with pytest.raises(BadWeights, match="none of Glow's operations"):
        taken([tf_files.node("x", "Placeholder"), tf_files.node("y", "Exp", "x")], tmp_path)
    scope = "model/0/0/actnorm_scale"
    negative = tf_files.constant(f"{scope}/Exp", -np.ones((1, 1, 1, 12), np.float32))
    with pytest.raises(BadWeights, match="not positive"):
        taken(small_graph(**{f"{scope}/Exp": negative}), tmp_path)
    unfrozen = tf_files.node("model/0/0/invconv/W", "VariableV2", shape=(12, 12))
    with pytest.raises(BadWeights, match="invconv/W' is no constant"):
        taken(small_graph(**{"model/0/0/invconv/W": unfrozen}), tmp_path)
