"""A source tree of somebody else's: what works, what tells facts of where it runs, and what makes trouble."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

FOREIGN = {
    "stylise.py": """
        import numpy as np
        from helpers.strength import doubled

        def apply(picture, strength=1.0):
            return picture * np.float32(doubled(strength) / 2)

        def same(*arguments, **named):
            return [arguments, named]

        def mean(picture):
            return picture.mean()

        def nothing_like_it(value):
            return object()

        class Like:
            def __array__(self, dtype=None, copy=None):
                return np.ones((2, 2), np.float64)

        def like():
            return Like()

        def zeros(*shape):
            return np.zeros(shape, np.uint8)
        """,
    "helpers/__init__.py": "",
    "helpers/strength.py": "def doubled(value):\n    return 2 * value\n",
    "words.txt": "from the tree",
    "random.py": "def chosen():\n    return 'the tree has a random of its own'\n",
    "facts.py": """
        import os, sys, threading, pathlib, random

        def pid(): return os.getpid()
        def environment(): return dict(os.environ)
        def words(): return pathlib.Path("words.txt").read_text()
        def shadowed(): return random.chosen()
        def modules(): return sorted(name for name in sys.modules if name.startswith("ml4a"))
        def say(text): print(text)
        def slowly(seconds):
            import time; time.sleep(seconds); return threading.active_count()
        def address_space():
            import resource; return resource.getrlimit(resource.RLIMIT_AS)[0]
        def tidies_up(path):
            import atexit; atexit.register(lambda: pathlib.Path(path).write_text("tidied up"))
        """,
    "things.py": """
        class Net:
            alive = 0
            def __init__(self, factor, *, bias=0):
                self.factor, self.bias = factor, bias
                Net.alive += 1
            def __del__(self): Net.alive -= 1
            def forward(self, x): return x * self.factor + self.bias
            def __call__(self, x): return self.forward(x)
            def joined(self, other): return self.factor + other.factor
            def count(self): return Net.alive
        """,
    "trouble.py": r"""
        import gc, os, signal, socket, sys, time, subprocess

        def fails(text): raise ValueError(text)
        def unprintable():
            class Odd(Exception):
                def __str__(self): raise RuntimeError
            raise Odd
        def exits(): sys.exit(4)
        def ends(): os._exit(3)
        def crashes():
            print("about to crash")
            os.kill(os.getpid(), signal.SIGSEGV)
        def hangs():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True: pass
        def hangs_with_a_child(path):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            open(path, "w").write(str(child.pid))
            while True: pass
        def leaks():
            kept = []
            while True: kept.append(bytearray(50_000_000))
        def floods(megabytes):
            line = b"x" * 1_000_000
            for _ in range(megabytes): os.write(1, line)
            print("\x1b]0;title\x07 the end")
            return megabytes
        def connection():
            return [each for each in gc.get_objects() if isinstance(each, socket.socket)][0]
        def hangs_up():
            connection().shutdown(socket.SHUT_RDWR)
            time.sleep(60)
        def says(length, text):
            connection().sendall(length.to_bytes(4, "big") + text)
            time.sleep(60)
        def missing(): import certainly_not_installed
        """,
}


def written(folder: Path) -> Path:
    """Write it into `folder`."""
    for name, text in FOREIGN.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(text))
    return folder


def gone(pid: int) -> bool:
    """Whether a process has ended, at the latest in 2 s; a zombie that nobody waits for has."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
