"""Hostile pickles: each is refused in words, in time, in little memory, and nothing is run."""

from __future__ import annotations

import os
import pickle
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import containers
import numpy as np
import pytest
import torch
from reading_watch import refused, watched_read

from ml4a._core.errors import BadWeights, UnsafeWeights
from ml4a.weights import formats

MOST = 100 << 20
"""Bytes."""


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """What hostile files try to make; it must not be there afterwards."""
    yield tmp_path / "executed"
    assert not (tmp_path / "executed").exists()


# -- Pickles that ask for code -----------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def by_line(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def by_stack(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def in_zip(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", b"little")
    return path


def in_stream(path: Path, pickled: bytes) -> Path:
    head = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    path.write_bytes(head + pickled + pickle.dumps([], 2))
    return path


def in_stylegan(path: Path, pickled: bytes) -> Path:
    path.write_bytes(pickled)
    return path


def in_storage(path: Path, pickled: bytes) -> Path:
    """In the bytes of a storage in a pickle of StyleGAN."""
    inner = in_stream(path, pickled).read_bytes()
    call = by_line("torch.storage", "_load_from_bytes")
    path.write_bytes(b"\x80\x03}" + text("G") + call + b"B" + struct.pack("<I", len(inner)) + inner + b"\x85Rs.")
    return path


def in_npy(path: Path, pickled: bytes) -> Path:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(pickled)
    return path


PLACES = {place.__name__: place for place in (in_zip, in_stream, in_stylegan, in_storage, in_npy)}
CALLS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "REDUCE": lambda name, argument: name + argument + b"\x85R",
    "NEWOBJ": lambda name, argument: name + argument + b"\x85\x81",
    "NEWOBJ_EX": lambda name, argument: name + argument + b"\x85}\x92",
    "OBJ": lambda name, argument: b"(" + name + argument + b"o",
    "BUILD": lambda name, argument: name + b")R" + argument + b"b",
    "in a table": lambda name, argument: b"}" + text("a") + name + argument + b"\x85Rs",
    "from the memo": lambda name, argument: name + b"q\x050" + b"h\x05" + argument + b"\x85R",
    "as an argument": lambda name, argument: by_line("collections", "OrderedDict") + name + argument + b"\x85R\x85R",
    "as a default": lambda name, argument: by_line("collections", "defaultdict") + name + b"\x85R" + argument + b"Ns",
    "as a class": lambda name, argument: by_line("copyreg", "_reconstructor") + name + argument + b"N\x87R",
    "never called": lambda name, argument: name + b"0N",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("spelled", [by_line, by_stack])
def test_a_command_is_named_and_not_run_wherever_it_stands(tmp_path, marker, place, call, spelled):
    pickled = b"\x80\x02" + CALLS[call](spelled("os", "system"), text(f"touch {marker}")) + b"."
    # What is called with the command is refused already in a storage, whose names are fewer.
    first = r"(collections|copyreg)\.\w+|os\.system" if place == "in_storage" else r"os\.system"
    path = PLACES[place](tmp_path / "w", pickled)
    refused(path, UnsafeWeights, f"w: it asks for ({first}), which is not among the few")


DANGEROUS = re.findall(
    r"\S+",
    """
re.findall builtins.eval builtins.exec builtins.compile builtins.getattr builtins.setattr builtins.open
builtins.__import__ builtins.breakpoint builtins.globals __builtin__.eval __builtin__.execfile __builtin__.apply
io.open _io.FileIO os.system os.popen os.execv os.spawnlp os.posix_spawn os.remove os.putenv posix.system nt.system
posixpath.os.system subprocess.Popen subprocess.call subprocess.getoutput _posixsubprocess.fork_exec pty.spawn
commands.getoutput pkgutil.resolve_name importlib.import_module importlib.reload runpy.run_path runpy._run_code
code.InteractiveConsole codeop.compile_command timeit.timeit timeit.Timer trace.Trace.run profile.run cProfile.run
bdb.Bdb.run pdb.run doctest.debug_script ensurepip._run_pip pip.main pydoc.pipepager pydoc.locate
idlelib.run.Executive lib2to3.pgen2.grammar.Grammar.loads distutils.file_util.write_file venv.create
zipimport.zipimporter functools.partial functools.reduce operator.attrgetter operator.methodcaller operator.itemgetter
types.FunctionType types.CodeType types.SimpleNamespace marshal.loads pickle.loads pickle.Unpickler _pickle.loads
dill.loads cloudpickle.loads joblib.load shelve.open copyreg.add_extension copyreg.__newobj__ weakref.finalize
shutil.rmtree shutil.move tempfile.mktemp pathlib.Path.unlink linecache.getline glob.glob socket.create_connection
socket.socket urllib.request.urlopen urllib.request.urlretrieve http.client.HTTPSConnection requests.get ftplib.FTP
smtplib.SMTP imaplib.IMAP4 xmlrpc.client.ServerProxy webbrowser.open asyncio.run
asyncio.unix_events._UnixSubprocessTransport._start multiprocessing.Process threading.Thread _thread.start_new_thread
signal.signal sys.settrace sys.setprofile gc.get_objects inspect.getattr_static ctypes.CDLL ctypes.windll
_ctypes.dlopen cffi.FFI mmap.mmap logging.config.listen sqlite3.connect antigravity.geohash this.s torch.load
torch.hub.load torch.jit.load torch.package.PackageImporter torch.serialization.load torch.classes.load_library
torch.ops.load_library torch.utils.collect_env.run torch.utils.bottleneck.__main__.run_cprofile
torch.utils._config_module.load_config torch.utils.data.datapipes.utils.decoder.basichandlers torch._C._jit_pass_lint
torch._dynamo.guards.GuardBuilder.get torch._inductor.codecache.compile_file torch.distributed.rpc.rpc_sync
torch.fx._symbolic_trace.wrap torch.nn.modules.module._import_dotted_name torch.nn.init.eval torch.compile
torch.storage.UntypedStorage.from_file torch.UntypedStorage.from_file torch.from_file
torch.testing._internal.common_utils.run numpy.load numpy.fromfile numpy.memmap numpy.lib.npyio.load
numpy.f2py.crackfortran.myeval numpy.f2py.compile numpy.testing._private.utils.runstring
numpy.distutils.exec_command.exec_command numpy.ctypeslib.load_library numpy.core.multiarray.fromfile
numpy.core._multiarray_umath.fromfile numpy.core.records.fromfile tensorflow.keras.models.load_model
keras.saving.load_model keras.src.utils.file_utils.get_file pandas.read_pickle transformers.AutoModel.from_pretrained
yaml.unsafe_load dnnlib.util.open_url dnnlib.util.get_obj_by_name torch_utils.persistence._module_to_src_dict
torch_utils.custom_ops.get_plugin omegaconf.OmegaConf.load.eval pytorch_lightning.utilities.migration.migrate
lightning.pytorch.cli.instantiate_class site.main nose.run
""",
)


@pytest.mark.parametrize("place", ["in_zip", "in_stylegan"])
def test_whatever_scanners_have_missed_is_refused(tmp_path, marker, place):
    """The names in advisories against scanners of pickles, and their like: the list is of what is allowed."""
    for dotted in DANGEROUS:
        module, _, name = dotted.rpartition(".")
        for spelled in (by_line, by_stack):
            pickled = b"\x80\x02" + spelled(module, name) + text(f"touch {marker}") + b"\x85R."
            refused(PLACES[place](tmp_path / "w", pickled), UnsafeWeights, f"asks for {dotted.replace('.', '[.]')}")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("os", "system\x00"), ("os\x1b[31m", "system"), ("", "eval"), ("builtins", ""), ("os\u202e", "system")),
        *(("collections", "OrderedDict.__init__.__globals__"), ("collections.OrderedDict", "fromkeys")),
        *(
            ("torch.nn.modules..os", "System"),
            ("torch.nn.modules.os;", "System"),
            (" torch", "Size"),
            ("TORCH", "Size"),
        ),
        *(("torch.nn.modules.linear\n", "Linear"), ("torch/nn", "Linear"), ("numpy", "dtype.type")),
    ],
)
def test_a_name_that_is_only_almost_known_is_refused_on_one_printable_line(tmp_path, module, name):
    path = in_stylegan(tmp_path / "w", b"\x80\x04" + by_stack(module, name) + b")R.")
    with pytest.raises(UnsafeWeights, match="not among the few names") as found:
        watched_read(path)
    assert str(found.value).isprintable()


ALLOWED = {
    "an attribute of a function": (by_line("_codecs", "encode") + b"}b", UnsafeWeights, "attributes of a function"),
    "an attribute of a class": (by_line("numpy", "dtype") + b"}b", UnsafeWeights, "sets attributes of a (type|func)"),
    "an attribute of a table": (b"}}b", UnsafeWeights, "sets attributes of a dict"),
    "an encoding with a codec of its own": (
        by_line("_codecs", "encode") + text("a") + text("unicode_escape") + b"\x86R",
        BadWeights,
        "encodes something else than bytes",
    ),
    "an array of objects": (
        by_line("numpy", "dtype") + text("O8") + b"\x85R", BadWeights, "something else than numbers"
    ),
    "a name that is only a text": (by_line("torch", "float32") + b")R", BadWeights, "calls something that is not"),
    "a function that is only a name": (
        by_line("torch.nn.functional", "relu") + b")R", BadWeights, "calls something that is not a function"
    ),
    "a class for a subclass of array": (
        by_line("numpy.core.multiarray", "_reconstruct") + by_line("argparse", "Namespace") + b"K\0\x85C\1b\x87R",
        BadWeights,
        "reconstructs something else than a NumPy array",
    ),
    "an object of a list": (
        by_line("copyreg", "_reconstructor") + by_line("collections", "OrderedDict") + b"N]\x87R",
        BadWeights,
        "reconstructs something else than an object",
    ),
    "keywords": (by_line("collections", "OrderedDict") + b")}" + text("a") + b"Ns\x92", BadWeights, "with keywords"),
    "too many arguments": (
        by_line("torch", "Size") + b"(" + b"N" * 9 + b"tR", BadWeights, "the arguments of _size are wrong"
    ),
    "a persistent id": (text("a") + b"Q", BadWeights, "outside of itself|something else than a storage"),
    "an extension": (b"\x82\x01", UnsafeWeights, "asks for a registered extension"),
    "a buffer from elsewhere": (b"\x97", BadWeights, "there is no opcode 0x97"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_allowed_is_no_way_to_anything_else(tmp_path, place, name):
    pickled, error, message = ALLOWED[name]
    names = set(re.findall(rb"c([a-z]\S+)\n\w+\n", pickled))
    foreign = {"in_storage": names - {b"torch"}, "in_npy": {name for name in names if name[:5] in (b"torch", b"argpa")}}
    if foreign.get(place):
        error, message = UnsafeWeights, "not among the few names"
    elif place == "in_npy" and name == "an array of objects":
        message = "its pickle does not hold what its header says"
    refused(PLACES[place](tmp_path / "w", b"\x80\x02" + pickled + b"."), error, message)


@pytest.mark.parametrize("protocol", range(6))
def test_a_command_in_any_protocol_is_refused(tmp_path, marker, protocol):
    class Command:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    for save in (containers.save_torch, containers.save_stream):
        path = save(tmp_path / "w", {"a": torch.ones(2), "b": Command()}, protocol=protocol)
        # Protocols 0 and 1 are not torch's own.
        with pytest.raises(UnsafeWeights if protocol >= 2 else BadWeights):
            watched_read(path)


# -- Bombs -------------------------------------------------------------------------------------------------------------

MANY = 2_000_000


def long(value: int) -> bytes:
    return b"\x8a\x0c" + value.to_bytes(12, "little")


BOMBS = {
    "tuples in tuples": b")" + b"\x85" * MANY,
    "numbers": b"](" + b"K\x01" * MANY + b"e",
    "floats in lines": b"](" + b"F1.0\n" * MANY + b"e",
    "strings in lines": b"](" + b"S'a'\n" * MANY + b"e",
    "texts": b"](" + b"X\x01\0\0\0a" * MANY + b"e",
    "memo": b"N" + b"r\x01\0\0\0" * MANY,
    "names": (by_line("collections", "OrderedDict") + b"0") * (MANY // 4) + b"N",
    "calls": (by_line("collections", "OrderedDict") + b")R0") * (MANY // 4) + b"N",
    "classes": (by_line("torch.nn.modules.linear", "Linear") + b")\x810") * (MANY // 4) + b"N",
    "sizes": (by_line("torch", "Size") + b")R0") * (MANY // 4) + b"N",
    "marks": b"(" * MANY,
    "marks, taken back": b"N" + b"(1" * MANY,
    "tables in tables": b"}" + b"K\x01}s" * MANY,
    "a list ten times in a list": b"]q\0" + b"".join(b"](" + b"h\0" * 10 + b"eq\0" for _ in range(50)),
    "sets in sets": b"\x8fq\0" + b"".join(b"(" + b"h\0" * 10 + b"\x91q\0" for _ in range(50)),
    "a long integer": b"\x8b\xff\xff\xff\x7f" + bytes(100),
    "digits": b"I" + b"9" * 1000 + b"\n",
    "one list, copied again and again": (
        b"](" + b"(K\1K\1t" * 50_000 + b"eq\0" + (by_line("collections", "OrderedDict") + b"h\0\x85R") * 1000
    ),
    "one text, encoded again and again": (
        text("a" * (8 << 20)) + b"q\0" + (by_line("_codecs", "encode") + b"h\0" + text("latin1") + b"\x86R") * 1000
    ),
    "one long name, asked for again and again": (
        text("torch.nn.modules." + "a" * (1 << 20)) + b"q\0" + text("A") + b"q\x010" + b"h\0h\1\x930" * 100_000 + b"N"
    ),
    "keys of one hash": b"}(" + b"".join(long(number * (2**61 - 1)) + b"N" for number in range(1, 100_000)) + b"u",
    "elements of one hash": b"\x8f(" + b"".join(long(number * (2**61 - 1)) for number in range(1, 100_000)) + b"\x90",
    "a memo of one hash": b"N" + b"".join(b"p%d\n" % (number * (2**61 - 1)) for number in range(1, 100_000)),
    "one long key, used for many": b"}" + text("a" * (1 << 20)) + b"](" + b"N" * 100_000 + b"es",
    "one state, set again and again": (
        b"}(" + b"".join(text(f"k{number}") + b"N" for number in range(50_000)) + b"uq\0"
        + (by_line("argparse", "Namespace") + b")\x81h\0b") * 1000
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_that_asks_for_endless_work_is_refused_in_time(tmp_path, name):
    path = in_stylegan(tmp_path / "w", b"\x80\x02" + BOMBS[name] + b".")
    error = UnsafeWeights if name.startswith("one long name") else BadWeights
    refused(
        path,
        error,
        "more than|deep|digits|bytes, more|again and again|as a key|among the few|not tensors by name|not of",
    )


@pytest.mark.parametrize("name", ["one text, encoded again and again", "a list ten times in a list", "sets in sets"])
def test_a_pickle_that_asks_for_endless_memory_is_refused_in_little(tmp_path, name):
    path = in_stylegan(tmp_path / "w", b"\x80\x02" + BOMBS[name] + b".")
    tracemalloc.start()
    with pytest.raises(BadWeights):
        formats.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * path.stat().st_size + MOST


def test_a_storage_that_is_read_again_and_again_is_refused_in_time(tmp_path):
    """Each reading takes a thousand steps: those of all pickles in a file count together."""
    inner = in_stream(tmp_path / "w", b"(" + b"N" * 1000 + b"t.").read_bytes()
    call = by_line("torch.storage", "_load_from_bytes")
    refused(
        in_stylegan(
            tmp_path / "w",
            b"\x80\x03N0B" + struct.pack("<I", len(inner)) + inner + b"q\0" + (call + b"h\0\x85R0") * 5000 + b".",
        ),
        BadWeights,
        "makes a storage from something else",
    )
