"""Foreign source trees that fight: for names, for global state, for each other's modules."""

from __future__ import annotations

import copy
import html.parser
import importlib
import inspect
import json
import math
import os
import pickle
import py_compile
import shutil
import subprocess
import sys
import threading
import types
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import foreign_trees
import pytest

from ml4a._core.errors import Ml4aError, NotFound
from ml4a.external import isolated
from ml4a.external._isolated import ImportFailed, MissingModule


def others() -> dict[str, types.ModuleType]:
    return {name: module for name, module in sys.modules.items() if not name.startswith("ml4a_external_")}


@pytest.fixture
def two(tmp_path: Path):
    return [isolated(foreign_trees.painter(tmp_path / word, word)) for word in ("ash", "oak")]


def test_two_programs_with_modules_of_the_same_names_live_side_by_side(two) -> None:
    nets = [tree.import_module("models.networks").Net(2) for tree in two]
    assert [net.paint() for net in nets] == ["ashash", "oakoak"]
    assert type(nets[0]) is not type(nets[1])
    assert set(two[0].modules) == {"models", "models.networks", "models.layers", "utils"}
    assert two[0].modules["models"].networks is two[0].import_module("models.networks")


def test_path_modules_and_files_are_as_they_were(two, monkeypatch) -> None:
    mine = types.ModuleType("utils")
    monkeypatch.setitem(sys.modules, "utils", mine)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path, modules, files = list(sys.path), others(), sorted(two[0].path.rglob("*"))
    networks = two[0].import_module("models.networks")
    assert networks.later(1) == "ash, ash!"
    assert (sys.path, others()) == (path, modules)
    assert sys.modules["utils"] is mine
    assert sorted(two[0].path.rglob("*")) == files  # no __pycache__
    assert not any(name in sys.modules for name in ("models", "lazy", "models.layers"))


def test_lazy_imports_work_later_elsewhere_and_from_any_thread(two, tmp_path, monkeypatch) -> None:
    networks = [tree.import_module("models.networks") for tree in two]
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda n: networks[n % 2].later(1), range(64)))
    assert said == ["ash, ash!", "oak, oak!"] * 32


def test_modules_found_by_name_at_run_time_are_the_trees(two) -> None:
    for tree, word in zip(two, ("ash", "oak"), strict=True):
        models = tree.import_module("models")
        assert models.build("networks", 3).paint() == models.build_relative("networks", 3).paint() == word * 3
        networks = tree.import_module("models.networks")
        assert networks.by_name("Net") == (networks.Net, networks.Net)


def test_what_looks_a_class_up_by_its_module_finds_it(two) -> None:
    for tree, word in zip(two, ("ash", "oak"), strict=True):
        networks = tree.import_module("models.networks")
        net = networks.Net(1, others=[networks.Net(2)])
        assert pickle.loads(pickle.dumps(net)) == copy.deepcopy(net) == net
        assert pickle.loads(pickle.dumps(net)).paint() == word
        assert typing.get_type_hints(networks.Net)["others"] == list[networks.Net]
        assert [f.name for f in networks.Net.__dataclass_fields__.values() if f.init] == [
            "times", "kinds", "mode", "others",
        ]  # fmt: skip
        assert inspect.getmodule(networks.Net) is networks
        assert "return repeat(self.times)" in inspect.getsource(networks.Net)
        assert pickle.loads(pickle.dumps(networks.Mode.LOUD)) is networks.Mode.LOUD
        assert pickle.loads(pickle.dumps(networks.Size(3))) == networks.Size(3)


def test_circular_imports(tmp_path) -> None:
    tree = isolated(foreign_trees.circle(tmp_path))
    assert tree.import_module("second").total() == tree.import_module("first").total() == 3
    assert tree.import_module("pack.two").both() == tree.import_module("pack").one.both() == 3


def test_threads_that_import_at_once_get_one_module(tmp_path) -> None:
    tree = isolated(foreign_trees.slow(tmp_path))
    start = threading.Barrier(8)

    def get(_: int):
        start.wait()
        return tree.import_module("slow")

    with ThreadPoolExecutor(8) as threads:
        modules = list(threads.map(get, range(8)))
    assert all(module is modules[0] and module.DONE for module in modules)
    assert tree.import_module("runs").COUNT == [1]


def test_threads_that_import_a_circle_from_both_ends_do_not_wait_for_ever(tmp_path) -> None:
    tree = isolated(foreign_trees.slow(tmp_path))
    threads = [threading.Thread(target=tree.import_module, args=(name,), daemon=True) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert {name: module.SIDE for name, module in tree.modules.items()} == {"left": "left", "right": "right"}


def test_an_extension_module_is_loaded_from_the_tree(tmp_path) -> None:
    tree = isolated(foreign_trees.compiled(tmp_path))
    quick = tree.import_module("quick")
    assert quick._escape_inner("<b>") == "&lt;b&gt;"
    assert Path(quick._speedups.__file__).parent == tmp_path / "quick"
    assert quick._speedups is not sys.modules.get("markupsafe._speedups")
    tree.reload()
    assert tree.import_module("quick")._escape_inner("&") == "&amp;"


def test_an_extension_module_that_cannot_be_loaded_twice_says_so(tmp_path) -> None:
    lapack = Path(importlib.import_module("numpy.linalg.lapack_lite").__file__ or "")
    shutil.copy(lapack, tmp_path)
    isolated(tmp_path).import_module("lapack_lite")
    with pytest.raises(ImportFailed, match=r"more than once.*only once in a process; give it a process of its own"):
        isolated(tmp_path).import_module("lapack_lite")
    (tmp_path / f"broken{lapack.name.removeprefix('lapack_lite')}").write_bytes(b"\x7fELF, but no more than that")
    with pytest.raises(ImportFailed) as broken:
        isolated(tmp_path).import_module("broken")
    assert "only once" not in str(broken.value)


def test_what_a_tree_replaces_in_other_modules_is_seen_by_it_alone(tmp_path, monkeypatch) -> None:
    library = "import json\nold = json.dump\ndef dump(*a): return old(*a)\njson.dump = dump"
    monkeypatch.syspath_prepend(foreign_trees.write(tmp_path / "installed", {"patching_library.py": library}))
    for at, name in ((json, "dump"), (json, "loads"), (math, "sqrt"), (html.parser, "HTMLParser"), (os.path, "exists")):
        monkeypatch.setattr(at, name, getattr(at, name))  # put back even if this test fails
    trees = [isolated(foreign_trees.patching(tmp_path / word, word)) for word in ("ash", "oak")]
    before = [json.loads, math.sqrt, html.parser.HTMLParser, os.path.exists]
    mains = [tree.import_module("main") for tree in trees]
    assert [json.loads, math.sqrt, html.parser.HTMLParser, os.path.exists] == before
    for main, word in zip(mains, ("ash", "oak"), strict=True):
        assert main.everything() == main.later() == [word] * 4 + [3]
    assert not hasattr(json.dump, "old")
    assert json.dump.__module__ == "patching_library"
    trees[0].reload()
    assert trees[0].import_module("plain").everything() == [[1], 2, 3]
    assert mains[1].everything() == ["oak"] * 4 + [3]


def test_a_compiled_file_without_its_source(tmp_path) -> None:
    foreign_trees.write(tmp_path, {"a.py": "from b import V", "b.py": "V = 3"})
    py_compile.compile(str(tmp_path / "a.py"), str(tmp_path / "a.pyc"))
    (tmp_path / "a.py").unlink()
    assert isolated(tmp_path).import_module("a").V == 3


def test_namespace_packages(tmp_path) -> None:
    files = {
        "parts/one.py": "import parts.two as two\nfrom parts import two as same\nassert two is same",
        "parts/two.py": "",
        "parts/deep/er/three.py": "from ...two import __name__ as name",
        "yaml/notes.txt": "a folder of data, which must not hide the installed package",
        "email/mine.py": "not python, and not looked at",
        "main.py": "import yaml, parts.one\nfrom parts.deep.er import three\nimport email.message",
    }
    tree = isolated(foreign_trees.write(tmp_path, files))
    main = tree.import_module("main")
    assert main.yaml.safe_load("[1]") == [1]
    assert main.three.name == f"{tree.name}.parts.two"
    assert main.email is sys.modules["email"]


def test_a_namespace_shared_with_an_installed_one(tmp_path, monkeypatch) -> None:
    installed = foreign_trees.write(tmp_path / "installed", {"shared_space/theirs.py": "WHOSE = 'theirs'"})
    monkeypatch.syspath_prepend(installed)
    files = {
        "shared_space/ours.py": "WHOSE = 'ours'",
        "main.py": "from shared_space.ours import WHOSE as o\nfrom shared_space.theirs import WHOSE as t",
    }
    main = isolated(foreign_trees.write(tmp_path / "tree", files)).import_module("main")
    assert (main.o, main.t) == ("ours", "theirs")
    del sys.modules["shared_space"], sys.modules["shared_space.theirs"]


def test_the_trees_modules_win_over_installed_ones_but_not_over_pythons_core(tmp_path) -> None:
    files = {
        "yaml/__init__.py": "MINE = True",
        "random.py": "MINE = True",
        "_strptime.py": "MINE = True",
        "os.py": "MINE = True",
        "sys.py": "MINE = True",
        "main.py": """
            import os, random, sys, yaml, datetime, tempfile
            date = datetime.datetime.strptime("2021-02-03", "%Y-%m-%d")   # C code, which imports _strptime
            name = tempfile.mktemp()                                       # Python code, which uses random
        """,
    }
    main = isolated(foreign_trees.write(tmp_path, files)).import_module("main")
    assert main.yaml.MINE
    assert main.random.MINE
    assert not hasattr(main.os, "MINE")
    assert not hasattr(main.sys, "MINE")
    assert main.date.day == 3
    import random

    assert random.random() < 1


def test_folders_that_the_tree_adds_to_its_path_are_searched_and_do_not_leak(tmp_path) -> None:
    files = {
        "main.py": """
            import os, sys
            sys.path.append(os.path.dirname(os.path.abspath(__file__)) + "/lib")
            sys.path.insert(0, "./third_party")
            sys.path.append(None)
            from helper import where
            import helper2
            from os.path import join
        """,
        "lib/helper.py": "def where():\n    import inner\n    return inner.__file__",
        "lib/inner.py": "",
        "third_party/helper2.py": "from helper import where",
    }
    path = list(sys.path)
    main = isolated(foreign_trees.write(tmp_path, files)).import_module("main")
    assert sys.path == path
    assert main.where() == str(tmp_path / "lib" / "inner.py")
    assert main.helper2.where is main.where


def test_reload_reads_what_was_edited(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    tree = isolated(foreign_trees.write(tmp_path, {"a.py": "from b import V", "b.py": "V = 1"}))
    before = tree.import_module("a")
    stamp = (tmp_path / "b.py").stat()
    (tmp_path / "b.py").write_text("V = 2")
    os.utime(tmp_path / "b.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (tmp_path / "new.py").write_text("from . import b")
    assert tree.import_module("a") is before
    tree.reload()
    assert not tree.modules
    assert (tree.import_module("a").V, before.V) == (2, 1)
    assert tree.import_module("new").b.V == 2


def test_a_failed_import_leaves_nothing_half_and_can_be_tried_again(tmp_path) -> None:
    tree = isolated(foreign_trees.write(tmp_path, {"a.py": "HALF = 1\nimport b", "b.py": "\n1 / 0", "c.py": "x = = 1"}))
    for _ in range(2):
        with pytest.raises(ImportFailed, match=r"importing 'a' failed in b.py, line 2: ZeroDivisionError") as error:
            tree.import_module("a")
        assert isinstance(error.value.__cause__, ZeroDivisionError)
        assert not tree.modules
    (tmp_path / "b.py").write_text("B = 1")
    assert tree.import_module("a").b.B == 1
    with pytest.raises(ImportFailed, match=r"'c' failed in c.py, line 1: SyntaxError"):
        tree.import_module("c")


def test_what_is_missing_is_named(tmp_path) -> None:
    files = {
        "a.py": "def f(): pass\nimport not_installed_anywhere.deep",
        "b.py": """
            names = []
            for name in ("not_installed_anywhere", "pack.nope"):
                try:
                    __import__(name)
                except ImportError as error:
                    names.append(error.name)
        """,
        "pack/__init__.py": "",
        "c.py": "import pack.nope",
        "d.py": "try:\n    from pack import nope\nexcept ImportError:\n    import pack.no",
    }
    tree = isolated(foreign_trees.write(tmp_path, files))
    with pytest.raises(MissingModule, match=r"'a' failed in a.py, line 2: it needs 'not_installed_anywhere'") as error:
        tree.import_module("a")
    assert error.value.name == "not_installed_anywhere"
    assert str(tmp_path) in str(error.value)
    assert isinstance(error.value, Ml4aError)
    assert isinstance(error.value, ModuleNotFoundError)
    assert tree.import_module("b").names == ["not_installed_anywhere", "pack.nope"]
    with pytest.raises(MissingModule, match=r"it needs 'pack\.nope'"):
        tree.import_module("c")
    with pytest.raises(MissingModule, match=r"it needs 'pack\.no'"):
        tree.import_module("d")
    for name in ("nothing", "pack.nothing", "numpy", "", "pack..b", "../a", "pack/../a", "a\0"):
        with pytest.raises(ImportFailed, match=r"there is no|Empty"):
            tree.import_module(name)
    with pytest.raises(NotFound, match="is not a folder"):
        isolated(tmp_path / "a.py")


def test_a_script_that_ends_the_program_does_not(tmp_path) -> None:
    tree = isolated(foreign_trees.write(tmp_path, {"run.py": "import sys\nprint('usage')\nsys.exit(2)"}))
    with pytest.raises(ImportFailed, match=r"run.py, line 3: it is a script that ends the program \(exit status 2\)"):
        tree.import_module("run")


def test_errors_are_one_clean_line(tmp_path) -> None:
    text = "raise ValueError('a\\nb \\x1b[31m' + 'x' * 10_000)"
    with pytest.raises(ImportFailed) as error:
        isolated(foreign_trees.write(tmp_path, {"a.py": text})).import_module("a")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 600


def test_what_the_tree_changes_of_its_stand_ins_stays_with_it(tmp_path) -> None:
    files = {
        "a.py": """
            import builtins, sys
            builtins.shout = lambda text: text.upper()
            sys.modules["gone"] = sys.modules[__name__]
            sys.modules["yaml.extra"] = sys.modules[__name__]
            import b
            import yaml.extra
            from yaml.extra import sys as same
            from yaml import safe_load
            assert sys.modules["gone"] is sys.modules["a"] and sys.modules["sys"] is sys
            assert "gone" in list(sys.modules) and "os" in sys.modules and len(sys.modules) > 10
            del sys.modules["gone"]
            assert sys.modules.pop("os") and "os" in sys.modules and sys.modules.pop("nothing", 3) == 3
        """,
        "b.py": "import gone\nsaid = shout('b')",
    }
    tree = isolated(foreign_trees.write(tmp_path, files))
    assert tree.import_module("a").b.said == "B"
    assert "gone" not in tree.modules


def test_modules_loaded_from_a_file_by_hand_belong_to_the_tree(tmp_path) -> None:
    files = {
        "plugins/p.py": "from helper import VALUE",
        "helper.py": "VALUE = 7",
        "main.py": """
            import importlib.util, os
            assert importlib.util.find_spec("helper").origin.endswith("helper.py")
            assert importlib.util.find_spec("nothing_at_all") is None
            spec = importlib.util.spec_from_file_location("p", os.path.join(os.path.dirname(__file__), "plugins/p.py"))
            p = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(p)
            direct = __import__("helper").VALUE + eval("__import__('helper').VALUE", {})
            assert __import__("helper", globals(), locals(), [], 0).VALUE == 7
            exec("import helper as h")
        """,
    }
    main = isolated(foreign_trees.write(tmp_path, files)).import_module("main")
    assert (main.p.VALUE, main.direct, main.h.VALUE) == (7, 14, 7)


def test_a_tree_can_be_pickled_and_its_objects_after_it(two, tmp_path) -> None:
    networks = two[0].import_module("models.networks")
    tree, net = pickle.loads(pickle.dumps((two[0], networks.Net(2))))
    assert tree.name == two[0].name
    assert type(net) is networks.Net
    assert net.paint() == "ashash"
    again = isolated(two[0].path)
    assert again.name != two[0].name
    assert again.import_module("models.networks").Net is not networks.Net
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)[1].paint())"
    sent = pickle.dumps((two[0], networks.Net(3)))
    told = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True)
    assert told.stdout == b"ashashash\n"


def test_nothing_is_run_before_something_is_imported_and_a_tree_that_did_nothing_goes(tmp_path) -> None:
    tree = isolated(foreign_trees.write(tmp_path, {"__init__.py": "1 / 0", "a.py": "if __name__ == '__main__': 1 / 0"}))
    name = tree.name
    assert name in sys.modules
    assert "0 modules" in repr(tree)
    tree.import_module("a")
    assert "1 modules" in repr(tree)
    tree.reload()
    del tree
    import gc

    gc.collect()
    assert name not in sys.modules
