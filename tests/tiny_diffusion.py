"""A pipeline of diffusers, as Stable Diffusion's are stored, with random weights of a few hundred kilobytes.

What it makes is noise that depends on the text, the seed and the picture; that is all that tests need.
"""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ("a", "red", "blue", "cat", "hat", "house", "of", "the", "sea", "hello", "there", "my", "friends")


def write(folder: Path, *, seed: int = 0) -> Path:
    """Write the pipeline to `folder`, and return that. Its pictures are 64 px high, its latents an eighth of that."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    tokens = folder.with_name(f"{folder.name}-tokens")
    tokens.mkdir(parents=True)
    characters = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,!?'"))
    known = [*characters, *(f"{each}</w>" for each in characters), "<|startoftext|>", "<|endoftext|>"]
    (tokens / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(known)}))
    (tokens / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(tokens / "vocab.json"), str(tokens / "merges.txt"), model_max_length=77)
    last = known.index("<|endoftext|>")
    torch.manual_seed(seed)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
            layers_per_block=1,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(known),
                hidden_size=32,
                intermediate_size=37,
                num_attention_heads=4,
                num_hidden_layers=2,
                bos_token_id=last - 1,
                eos_token_id=last,
                pad_token_id=last,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(32, 64),
            layers_per_block=1,
            sample_size=8,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=8,
            norm_num_groups=8,
        ),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
