"""A plug-in of ml4a: pictures of texts, by the pipelines of diffusers."""

from .model import Imagine

__all__ = ("Imagine",)
