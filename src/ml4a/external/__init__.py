"""Other people's code: source trees imported apart from the program, pinned repositories, processes of their own.

    from ml4a import external

    repository = external.repository("github:OWNER/NAME@COMMIT", trust=True)
    repository.entry_points()
    network = repository.load("resnet", pretrained=False)

Nothing of it runs before it is asked for by name, and nothing of a repository before it is trusted.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
