"""Machine learning for artists: pictures, sound and film with pretrained networks.

    import ml4a
    from ml4a import image

    photo = image.load("photo.jpg")
    style = ml4a.load("fast_style")
    image.save(style(photo, style="painting.jpg"), "out.png")
    ml4a.apply(style, "clip.mp4", "out.mp4", steady=0.5)

Everything is imported when it is first used: `import ml4a` itself loads no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "1.0.0a1"
