"""What foreign modules change of the process while they are imported is put back, and nothing else is."""

from __future__ import annotations

import json
import locale
import logging
import multiprocessing
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import foreign_trees
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from ml4a.external import isolated
from ml4a.external._isolated import ImportFailed

CHANGES: dict[str, Callable[[], object]] = {
    "import os; os.environ.update(HOME='x', NEW='y'); del os.environ['PATH']": lambda: dict(os.environ),
    "import os; os.chdir('/')": os.getcwd,
    "import warnings as w; w.filterwarnings('ignore'); w.simplefilter('error')": lambda: list(warnings.filters),
    "import builtins; builtins.len = None; builtins.new = 1": lambda: (len, "new" in dir(sys.modules["builtins"])),
    "len.__self__.vars = None": lambda: vars,
    "import site, sys; sys.path.clear(); site.addsitedir('/')": lambda: list(sys.path),
    "import sys; sys.argv[:] = ['x']; sys.argv = ['y']": lambda: list(sys.argv),
    "import sys; sys.modules['yaml'] = None; sys.modules['made'] = sys": lambda: (
        sys.modules.get("yaml", 0),
        "made" in sys.modules,
    ),
    "import sys; sys.stdout = sys.excepthook = None": lambda: (sys.stdout, sys.excepthook),
    "import sys; sys.setrecursionlimit(12345)": sys.getrecursionlimit,
    "import signal as s; s.signal(2, s.SIG_IGN); s.signal(15, print)": lambda: list(map(signal.getsignal, (2, 15))),
    "import logging; logging.basicConfig(level=1, force=True); logging.disable(50)": lambda: (
        list(logging.root.handlers),
        logging.root.level,
        logging.root.manager.disable,
    ),
    "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')": lambda: locale.setlocale(locale.LC_ALL),
    "import socket; socket.setdefaulttimeout(3)": socket.getdefaulttimeout,
    "import ssl; ssl._create_default_https_context = ssl._create_unverified_context": lambda: vars(ssl)[
        "_create_default_https_context"
    ],
    "import urllib.request as u; u.install_opener(u.build_opener())": lambda: vars(urllib.request)["_opener"],
    "import multiprocessing as m; m.set_start_method('forkserver', True)": lambda: multiprocessing.get_start_method(
        True
    ),
    "import random; random.seed(0)": random.getstate,
    "import numpy as np; np.random.seed(0)": lambda: np.random.get_state()[1].tolist(),  # noqa: NPY002
    "import numpy as np; np.seterr(all='raise')": np.geterr,
    "import numpy as np; np.set_printoptions(precision=1)": np.get_printoptions,
    "from PIL import Image; Image.MAX_IMAGE_PIXELS = None": lambda: PIL.Image.MAX_IMAGE_PIXELS,
    "from PIL import ImageFile as f; f.LOAD_TRUNCATED_IMAGES = True": lambda: PIL.ImageFile.LOAD_TRUNCATED_IMAGES,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_at_import_is_put_back(change, tmp_path) -> None:
    look = CHANGES[change]
    before = look()
    files = {"outer.py": "import inner", "inner.py": f"{change}\nAFTER = 1", "broken.py": f"{change}\n1 / 0"}
    tree = isolated(foreign_trees.write(tmp_path, files))
    assert tree.import_module("outer").inner.AFTER == 1
    assert look() == before
    with pytest.raises(ImportFailed, match="ZeroDivisionError"):
        tree.import_module("broken")
    assert look() == before


def test_libraries_keep_what_they_set_up_for_themselves(tmp_path, monkeypatch) -> None:
    library = """
        import os, warnings
        os.environ["LIBRARY_THREADS"] = "1"
        warnings.filterwarnings("ignore", message="of the library")
    """
    monkeypatch.syspath_prepend(foreign_trees.write(tmp_path / "installed", {"some_library.py": library}))
    monkeypatch.setenv("LIBRARY_THREADS", "0")
    text = """
        import os, warnings
        os.environ["TREE"] = "1"
        warnings.filterwarnings("ignore", message="of the tree")
        import some_library
    """
    with warnings.catch_warnings():
        isolated(foreign_trees.write(tmp_path / "tree", {"a.py": text})).import_module("a")
        messages = [entry[1].pattern for entry in warnings.filters if entry[1] is not None]
    assert os.environ["LIBRARY_THREADS"] == "1"
    assert "TREE" not in os.environ
    assert "of the library" in messages
    assert "of the tree" not in messages
    del sys.modules["some_library"]


def test_overlapping_imports_of_two_threads_put_back_what_was_before_both(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WHO", "the program")
    text = "import os, time\nos.environ['WHO'] = {!r}\ntime.sleep({})\n"
    files = {"a.py": text.format("a", 0.04), "b.py": "import time\ntime.sleep(0.02)\n" + text.format("b", 0.06)}
    trees = [isolated(foreign_trees.write(tmp_path / name, files)) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda n: trees[n].import_module("ab"[n]), range(2)))
    assert os.environ["WHO"] == "the program"


def test_overlapping_imports_of_two_threads_keep_their_patches_apart(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(json, "loads", json.loads)  # put back even if this test fails
    text = """
        import json, time, other
        real = json.loads
        json.loads = lambda text, **more: {word!r} if text == "1" else real(text, **more)
        import rest
        def said():
            return json.loads("1"), json.loads("2")
    """
    other, rest = "import time\ntime.sleep(0.02)\n", "import time\ntime.sleep(0.04)\n"
    files = [{"a.py": text.replace("{word!r}", repr(w)), "other.py": other, "rest.py": rest} for w in ("ash", "oak")]
    trees = [isolated(foreign_trees.write(tmp_path / str(n), files[n])) for n in range(2)]
    with ThreadPoolExecutor(2) as threads:
        modules = list(threads.map(lambda tree: tree.import_module("a"), trees))
    assert [module.said() for module in modules] == [("ash", 2), ("oak", 2)]
    assert json.loads("1") == 1


@pytest.mark.slow
def test_what_is_changed_of_pytorch_at_import_is_put_back(tmp_path) -> None:
    text = """
        import torch, cv2
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.manual_seed(7)
        torch.set_num_threads(7)
        torch.set_float32_matmul_precision("high")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = True
        cv2.setNumThreads(7)
        changed = torch.empty(1).dtype, torch.empty(1).device.type, torch.initial_seed(), cv2.getNumThreads()
        assert changed == (torch.float64, "meta", 7, 7)
    """
    files = {"one/a.py": text, "two/a.py": text}  # PyTorch is loaded by the first, and is there for the second
    look = f"""
import os, sys
from ml4a.external import isolated
os.chdir({str(foreign_trees.write(tmp_path, files))!r})
for name in ("one", "two"):
    isolated(name).import_module("a")
    import cv2, torch
    from torch.overrides import _len_torch_function_stack
    print(torch.empty(1).dtype, torch.empty(1).device, torch.is_grad_enabled(), torch.initial_seed() == 7,
        torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark, cv2.getNumThreads() == 7, _len_torch_function_stack())
"""
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, env=environment)
    assert told.stdout.splitlines() == ["torch.float32 cpu True False 1 highest False False False 0"] * 2
