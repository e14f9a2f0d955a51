from __future__ import annotations

import contextlib
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from ml4a._core.errors import BadWeights, UnsafeWeights
from ml4a.weights.formats.pickle import Unpickler
from ml4a.weights.formats.pickle_names import closed_list
from ml4a.weights.formats.pickle_values import KNOWN, plain


def unpickle(data: bytes):
    def refuse(value):
        raise BadWeights("not plain")

    return plain(Unpickler(memoryview(data), closed_list(KNOWN)).load(), refuse)


@pytest.fixture
def watched_unpickle(watching):
    def watched(data: bytes):
        with watching() as seen:
            try:
                return unpickle(data)
            finally:
                assert seen == []

    return watched


# -- What is read ------------------------------------------------------------------------------------------------------

VALUES = [
    *(None, True, False, 0, 1, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**70, -(2**70)),
    *(0.0, -1.5, 1e300, "", "text", "tëxt ✓", "line\nbreak", "x" * 300),
    *([], [1, 2, 3], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": 1, 2: "b", None: [3]}),
    [[1, (2, {"deep": [3]})], [1]],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_out_as_they_went_in(watched_unpickle, value, protocol):
    found = watched_unpickle(pickle.dumps(value, protocol))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", [b"\x00\xff", bytes(300), OrderedDict(b=1, a=[2])], ids=repr)
def test_bytes_and_ordered_tables_come_out_plain(watched_unpickle, value, protocol):
    assert watched_unpickle(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("value", [{1, 2}, frozenset("ab")], ids=["set", "frozenset"])
def test_sets_of_protocol_4_are_read(watched_unpickle, value):
    assert watched_unpickle(pickle.dumps(value, 4)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([True, False]),
        np.array(5, np.int16),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_numpy_arrays_become_tensors(watched_unpickle, array, protocol):
    np.testing.assert_array_equal(watched_unpickle(pickle.dumps({"a": array}, protocol))["a"].numpy(), array)


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-3), np.bool_(True)])
def test_numpy_scalars_become_plain_numbers(watched_unpickle, value):
    found = watched_unpickle(pickle.dumps(value, 2))
    assert found == value
    assert type(found) in (float, int, bool)


def test_python_2_strings_are_texts_if_ascii_and_bytes_if_not(watched_unpickle):
    assert watched_unpickle(b"(U\x03abcU\x02\xff\x00S'x\\ty'\nt.") == ("abc", b"\xff\x00", "x\ty")


def test_pickles_behind_one_another_are_read_in_turn():
    machine = Unpickler(memoryview(pickle.dumps(1) + pickle.dumps([2])), closed_list({}))
    assert machine.load() == 1
    assert machine.load() == [2]


def test_a_name_stands_for_what_the_list_says():
    known = {("a", "make"): lambda text: text.upper(), ("a", "value"): "constant"}
    assert Unpickler(memoryview(b"(ca\nmake\nU\x02hi\x85Rca\nvalue\nt."), closed_list(known)).load() == (
        "HI",
        "constant",
    )


# -- What is refused ---------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


COMMAND = text("touch executed")
HOSTILE = {
    "REDUCE": (b"cos\nsystem\n" + COMMAND + b"\x85R.", "os.system"),
    "STACK_GLOBAL": (b"\x80\x04" + text("os") + text("system") + b"\x93" + COMMAND + b"\x85R.", "os.system"),
    "INST": (b"(" + COMMAND + b"ios\nsystem\n.", "os.system"),
    "OBJ": (b"(cos\nsystem\n" + COMMAND + b"o.", "os.system"),
    "NEWOBJ": (b"csubprocess\nPopen\n" + COMMAND + b"\x85\x81.", "subprocess.Popen"),
    "NEWOBJ_EX": (b"csubprocess\nPopen\n" + COMMAND + b"\x85}\x92.", "subprocess.Popen"),
    "BUILD of a class": (b"ctypes\nSimpleNamespace\n)\x81}" + text("a") + b"K\x01sb.", "types.SimpleNamespace"),
    "BUILD of a function": (b"c_codecs\nencode\n}" + text("__code__") + b"Nsb.", "attributes of a function"),
    "BUILD of a known class": (b"cnumpy\ndtype\n}b.", "attributes of a type"),
    "BUILD of a list": (b"]}b.", "attributes of a list"),
    "dots in the name": (text("collections") + text("OrderedDict.__init__") + b"\x93.", "OrderedDict.__init__"),
    "dots moved": (text("numpy.core") + text("multiarray.scalar") + b"\x93.", "numpy.core.multiarray.scalar"),
    "an extension": (b"\x82\x01.", "extension"),
    "never called": (b"cos\nsystem\n0N.", "os.system"),
    "control characters": (b"cos\x1b[2J\nsystem\n.", r"os\\x1b\[2J.system"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_code_is_named_and_not_run(watched_unpickle, name):
    data, message = HOSTILE[name]
    with pytest.raises(UnsafeWeights, match=message):
        watched_unpickle(data)


@pytest.mark.parametrize(
    "name",
    [
        *("builtins.eval", "builtins.exec", "builtins.getattr", "builtins.__import__", "__builtin__.eval", "io.open"),
        *("pkgutil.resolve_name", "importlib.import_module", "runpy.run_path", "operator.attrgetter", "timeit.timeit"),
        *(
            "functools.partial",
            "_io.FileIO",
            "posix.system",
            "nt.system",
            "pty.spawn",
            "webbrowser.open",
            "code.interact",
        ),
        *("pickle.loads", "marshal.loads", "shutil.rmtree", "socket.create_connection", "ctypes.CDLL", "bdb.Bdb.run"),
        *("torch.load", "torch.hub.load", "torch.utils.collect_env.run", "torch.jit.load", "torch.serialization.load"),
        *(
            "numpy.load",
            "numpy.testing._private.utils.runstring",
            "numpy.f2py.crackfortran.myeval",
            "idlelib.run.Executive",
        ),
    ],
)
def test_what_scanners_have_missed_is_refused_too(watched_unpickle, name):
    module, _, function = name.rpartition(".")
    with pytest.raises(UnsafeWeights, match=name):
        watched_unpickle(f"c{module}\n{function}\n".encode() + COMMAND + b"\x85R.")


def test_the_watch_sees_what_pythons_own_pickle_does(watching):
    with watching() as seen, contextlib.suppress(ImportError):
        pickle.loads(b"cpkgutil\nresolve_name\n" + text("no:thing") + b"\x85R.")
    assert any(event.startswith("pickle.find_class") for event in seen)


BOMB = b"]q\x00" + b"".join(b"](" + b"h\x00" * 10 + b"eq\x00" for _ in range(30)) + b"."
BOUNDED = {
    "a memo bomb": (BOMB, "unfolds to more than"),
    "tuples in tuples": (b")" + b"\x85" * 100_000_000 + b".", "more than 400000 steps"),
    "as many as are allowed": (b")" + b"\x85" * 399_990 + b".", "nested more than 100 deep"),
    "marks in marks": (b"(" * 100_000 + b".", "nested more than 1000 deep"),
    "a list in itself": (b"]q\x00h\x00a.", "nested more than 100 deep"),
    "one list handed over again and again": (
        b"](" + b"N" * 100_000 + b"eq\x000" + b"ccollections\nOrderedDict\nh\x00\x85R0" * 20 + b".",
        "something else than pairs",
    ),
    "one set made again and again": (
        b"](" + b"N" * 100_000 + b"eq\x000" + b"cbuiltins\nset\nh\x00\x85R0" * 20 + b".",
        "hands the same things over again and again",
    ),
    "one text encoded again and again": (
        text("a" * (1 << 20)) + b"q\x000" + (b"c_codecs\nencode\nh\x00" + text("latin1") + b"\x86R0") * 100 + b".",
        "hands the same things over again and again",
    ),
    "one array turned round again and again": (
        (b"B" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20) + b"q\x000")
        + (
            b"cnumpy.core.numeric\n_frombuffer\n(h\x00cnumpy\ndtype\nX\x02\0\0\0f4\x85R(K\x03X\x01\0\0\0>NNNtb"
            b"J\0\0\x04\0\x85X\x01\0\0\0CtR0"
        )
        * 100
        + b".",
        "hands the same things over again and again",
    ),
    "lines of text": (b"](" + b"I1\n" * 300_000 + b"e.", "more than 400000 steps"),
    "a key as long as a book": (b"}" + text("a" * 2000) + b"Ns.", "a text of 2000 characters as a key"),
    "a nested key": (b"}" + b")" + b"\x85" * 100_000 + b"Ns.", "a tuple as a key"),
    "a nested element": (b"\x8f()" + b"\x85" * 100_000 + b"\x90.", "a tuple as a key"),
    "a long integer": (b"\x8a\xff" + b"\x01" * 255 + b".", "integer of 255 bytes"),
    "a giant integer": (b"\x8b\x00\x00\x00\x7f" + b"\x01" * 1000 + b".", "integer of 2130706432 bytes"),
    "an integer of many digits": (b"I" + b"9" * 500 + b"\n.", "integer of 500 digits"),
    "an endless line": (b"V" + b"a" * 100_000, "line does not end"),
    "a text larger than the file": (b"\x8d" + b"\xff" * 8 + b".", "cut short"),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_what_would_not_end_is_refused(watched_unpickle, name):
    data, message = BOUNDED[name]
    with pytest.raises(BadWeights, match=message):
        watched_unpickle(data)


BROKEN = {
    "nothing on the stack": b".",
    "nothing to reduce": b"R.",
    "a mark is missing": b"t.",
    "below the mark": b"N(0.",
    "a key without a value": b"}(Nu.",
    "a list that is a table": b"}Na.",
    "a table that is a list": b"]NNs.",
    "no such memo": b"h\x05.",
    "a number that is called": b"K\x01)R.",
    "arguments that are no tuple": b"ccollections\nOrderedDict\n]R.",
    "too many arguments": b"ccollections\nOrderedDict\n(NNtR.",
    "keywords": b"ccollections\nOrderedDict\n)}NNs\x92.",
    "an object of nothing": b"(o.",
    "an unknown opcode": b"\xfe.",
    "a future protocol": b"\x80\x06N.",
    "a name that is a number": b"K\x01K\x02\x93.",
    "invalid UTF-8": b"X\x01\x00\x00\x00\xff.",
    "an invalid escape": b"S'\\x'\n.",
    "a string without quotes": b"Sabc\n.",
    "an integer of letters": b"Iabc\n.",
    "a float of letters": b"Fabc\n.",
    "an index of letters": b"Npabc\n.",
    "a persistent id": b"K\x01Q.",
    "a dtype of objects": b"cnumpy\ndtype\n" + text("O8") + b"\x85R.",
    "a dtype that is not": b"cnumpy\ndtype\n" + text("f3") + b"\x85R.",
    "an array of a list": b"cnumpy.core.multiarray\n_reconstruct\n]]]\x87R.",
    "text that is not bytes": b"c_codecs\nencode\n" + text("a") + text("utf-8") + b"\x86R.",
    "a bare name": b"cnumpy\ndtype\n.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_no_pickler_writes_is_refused(watched_unpickle, name):
    with pytest.raises(BadWeights):
        watched_unpickle(BROKEN[name])


def test_an_array_whose_shape_is_not_its_bytes_is_refused(watched_unpickle):
    data = pickle.dumps(np.zeros(4, np.float32), 2)
    assert data.count(b"K\x04\x85") == 1
    with pytest.raises(BadWeights, match=r"shape \(5,\) in 16 bytes"):
        watched_unpickle(data.replace(b"K\x04\x85", b"K\x05\x85"))


def test_an_empty_array_of_an_impossible_shape_is_refused(watched_unpickle):
    data = pickle.dumps(np.zeros(0, np.float32), 3)
    assert data.count(b"K\x00\x85q\x06") == 1
    with pytest.raises(BadWeights, match="shape is impossible"):
        watched_unpickle(data.replace(b"K\x00\x85q\x06", b"K\x00" + b"\x8a\x08" + b"\x40" * 8 + b"2\x87q\x06"))


def test_arrays_of_structures_and_objects_are_refused(watched_unpickle):
    for array in (np.zeros(2, [("a", "f4")]), np.array([None])):
        with pytest.raises(BadWeights):
            watched_unpickle(pickle.dumps(array, 2))
