"""Pictures by optimisation: what a network sees in a picture, and what it is to see.

    from ml4a import image, synthesis
    from ml4a.synthesis import channel, style

    network = synthesis.network("vgg16_hed")                     # network.layers() lists what can be named
    wanted = channel("relu4_3", 12) - 0.5 * channel("relu4_3", 65) + 0.1 * style("painting.jpg")
    start = synthesis.Pixels(synthesis.tensor("photo.jpg"))
    stages = [synthesis.Stage((192, 128), 20), synthesis.Stage((384, 256), 20)]
    for step, picture, losses in synthesis.Synthesis(start, wanted, network, stages, synthesis.Adam(0.02)):
        print(step, losses)
    image.save(synthesis.picture(picture), "dream.png")

A picture is a parameterisation, an objective says what it is to become, transforms shake it before the network looks,
stages lead from coarse to fine, and an optimiser takes the steps.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
