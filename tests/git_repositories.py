"""Real git repositories, made in a test's own folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file",
}


class GitRepository:
    """A repository in `folder`, which is made, with a first commit of `files`."""

    def __init__(self, folder: Path, files: dict[str, str | bytes | Path] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", "--object-format=sha1")
        if files is not None:
            self.commit(files)

    @property
    def address(self) -> str:
        """What git is given."""
        return f"file://{self.folder}"

    def commit(self, files: dict[str, str | bytes | Path]) -> str:
        """Write files (a path makes a symbolic link), commit them, and return the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                path.symlink_to(content)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")

    def content(self, name: str) -> bytes:
        """A file as it is in the last commit, which attributes may make something else of."""
        return self._run("cat-file", "blob", f"HEAD:{name}")

    def git(self, *arguments: str) -> str:
        """Run git here."""
        return self._run(*arguments).decode().strip()

    def _run(self, *arguments: str) -> bytes:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, env=_ENVIRONMENT, check=True, capture_output=True
        ).stdout
