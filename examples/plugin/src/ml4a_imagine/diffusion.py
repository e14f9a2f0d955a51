"""The networks of a latent diffusion pipeline, and what is made with them. Imports torch and diffusers."""

from __future__ import annotations

import contextlib
import importlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml4a.plugin import BadValue, BadWeights, TooLarge, interrupted, report

from . import folder as folders

diffusers: Any = importlib.import_module("diffusers")
transformers: Any = importlib.import_module("transformers")

SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
"""A pipeline's files name their scheduler; anything but these is refused, whatever could be imported by that name."""

_PREVIEW_SECONDS = 0.5
_RGB = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))
"""What each channel of a latent adds to red, green and blue, roughly: enough for a preview, and free of cost."""


class Diffusion:
    """A text encoder, a U-Net and an autoencoder on a device.

    Args:
        folder: Of the pipeline, as `folder.laid_out` gives it.
        device: Where to compute.
        dtype: In what.

    Raises:
        BadWeights: the files are broken, or do not belong together.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self._scheduler, settings = _scheduler(folder / "scheduler")
        with _quiet(), _broken():
            common: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
            plain = {**common, "torch_dtype": dtype, "low_cpu_mem_usage": False}
            self.unet = _whole(diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", **plain))
            self.vae = _whole(diffusers.AutoencoderKL.from_pretrained(folder / "vae", **plain))
            encoder = transformers.CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=dtype, **common)
            self.text_encoder = _whole(encoder)
            self.tokenizer = transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
            self._settings = self._scheduler.from_config(settings).config
        for network in (self.unet, self.vae, self.text_encoder):
            network.requires_grad_(False).eval().to(device)
        self.multiple = 2 ** (len(self.vae.config.block_out_channels) - 1)
        """Sides of pictures are multiples of this."""
        self.side = self.unet.config.sample_size * self.multiple
        """Of the pictures that the network learned from, in pixels."""

    def check(self, name: str, text: str) -> None:
        """Refuse a text whose end would be dropped.

        Raises:
            BadValue: it has more tokens than the network reads.
        """
        with _quiet():
            count = len(self.tokenizer(text).input_ids)
        if count > self.tokenizer.model_max_length:
            most = self.tokenizer.model_max_length
            raise BadValue(f"{name} is {count} tokens long, and the network reads {most}; shorten it")

    def make(
        self,
        text: str,
        negative: str | None,
        *,
        size: tuple[int, int],
        steps: int,
        guidance: float,
        seed: int,
        picture: np.ndarray[Any, Any] | None = None,
        mask: np.ndarray[Any, Any] | None = None,
        strength: float = 1.0,
    ) -> np.ndarray[Any, Any]:
        """One picture; after Ctrl-C, what there is by then.

        Args:
            text: What is to be seen.
            negative: What is not to be seen.
            size: Width and height, multiples of `multiple`.
            steps: How many there are from noise to a picture.
            guidance: How closely the text is followed.
            seed: Of the noise.
            picture: Where to begin, H×W×3 in [0, 1] of that size.
            mask: H×W in [0, 1]: where the picture may change.
            strength: The share of the steps that a picture goes through.

        Returns:
            H×W×3 float32 in [0, 1].

        Raises:
            TooLarge: the device has not enough memory.
            Cancelled: it was stopped.
        """
        given: dict[str, Any] = {"strength": strength, "image": None if picture is None else _tensor(picture)}
        if mask is not None:
            kind = "StableDiffusionInpaintPipeline"
            given |= {"mask_image": torch.from_numpy(mask)[None, None], "width": size[0], "height": size[1]}
        elif picture is not None:
            kind = "StableDiffusionImg2ImgPipeline"
        else:
            kind, given = "StableDiffusionPipeline", {"width": size[0], "height": size[1]}
        followed = _Followed()
        try:
            with _quiet():
                pipeline = self._pipeline(kind)
                latents = pipeline(
                    text,
                    negative_prompt=negative,
                    num_inference_steps=steps,
                    guidance_scale=guidance,
                    generator=torch.Generator().manual_seed(seed),
                    output_type="latent",
                    callback_on_step_end=followed,
                    **given,
                ).images
        except KeyboardInterrupt:
            if followed.latents is None:
                raise
            interrupted()
            latents = followed.latents
        except torch.OutOfMemoryError:
            raise TooLarge(
                f"{size[0]}x{size[1]} px need more memory than {self.device} has; try a --height below"
            ) from None
        return self._decoded(latents)

    def _pipeline(self, kind: str) -> Any:
        """A pipeline for one call: schedulers count their steps, and two threads would disturb each other."""
        pipeline = getattr(diffusers, kind)(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=self._scheduler.from_config(self._settings),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _decoded(self, latents: torch.Tensor) -> np.ndarray[Any, Any]:
        with torch.no_grad():
            pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        return (pixels[0].float().cpu() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).contiguous().numpy()


class _Followed:
    """What a pipeline calls after each step: progress with previews, and the latents in case that it is stopped."""

    def __init__(self) -> None:
        self.latents: torch.Tensor | None = None
        self._shown = 0.0

    def __call__(self, pipeline: Any, step: int, _: Any, values: dict[str, Any]) -> dict[str, Any]:
        self.latents = values["latents"]
        due = time.monotonic() - self._shown >= _PREVIEW_SECONDS
        report("imagining", step + 1, pipeline.num_timesteps, "steps", self._preview() if due else None)
        self._shown = time.monotonic() if due else self._shown
        return values

    def _preview(self) -> np.ndarray[Any, Any] | None:
        assert self.latents is not None
        latent = self.latents[0].float().cpu()
        if len(latent) != len(_RGB):
            return None
        rgb = torch.einsum("chw,ck->hwk", latent, torch.tensor(_RGB)) / 2 + 0.5
        return rgb.clamp(0, 1).repeat_interleave(8, 0).repeat_interleave(8, 1).contiguous().numpy()


def _scheduler(folder: Path) -> tuple[Any, dict[str, Any]]:
    settings = folders.read_json(folder / "scheduler_config.json")
    name = settings.get("_class_name")
    if name not in SCHEDULERS:
        raise BadWeights(f"wants the scheduler {str(name)[:80]!r}, where one of {', '.join(SCHEDULERS)} is due")
    return getattr(diffusers, name), settings


def _whole(loaded: tuple[Any, Any]) -> Any:
    """A network all of whose weights were in its file: what is missing would be drawn by chance."""
    network, about = loaded
    missing = [key for key in about["missing_keys"] if not str(key).endswith("position_ids")]
    if missing or about.get("mismatched_keys"):
        raise BadWeights(
            f"{type(network).__name__} lacks {len(missing)} of its weights, {', '.join(sorted(missing)[:2])}"
        )
    return network


def _tensor(picture: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    """Whatever the libraries say of files that they cannot read, in one line."""
    try:
        yield
    except BadWeights:
        raise
    except Exception as error:
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadWeights(f"cannot be read: {line}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars and advice, which would be between the lines of others."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    before = [(each.get_verbosity(), each.is_progress_bar_enabled()) for each in libraries]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in libraries:
            each.set_verbosity_error()
            each.disable_progress_bar()
        try:
            yield
        finally:
            for each, (level, bars) in zip(libraries, before, strict=True):
                each.set_verbosity(level)
                if bars:
                    each.enable_progress_bar()
