"""Which network a state dict belongs to, told by its keys. A network's module is imported when it is built."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from torch import nn

from ml4a._core.errors import BadWeights, UnknownName

from .state_dict import StateDict, listing


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network, and one way in which its keys are written."""

    network: str
    """The class; the builder's module has it under this name."""
    keys: str
    """A regular expression that each key matches as a whole."""
    builder: str
    """`"module:function"` of this package; the function makes the network from a plain state dict."""
    part: str = ""
    """The submodule that is wanted of it, if not the whole."""

    def likeness(self, keys: Iterable[str]) -> float:
        """The share of `keys` that are written in this way."""
        matches = [re.fullmatch(self.keys, key) is not None for key in keys]
        return sum(matches) / len(matches)

    def build(self, state: StateDict) -> nn.Module:
        """Make the network."""
        network: nn.Module = getattr(self._module, self.builder.partition(":")[2])(state)
        return network.get_submodule(self.part)

    @property
    def network_class(self) -> type[nn.Module]:
        """The class that `network` names, imported now."""
        return getattr(self._module, self.network)

    @property
    def _module(self) -> ModuleType:
        return importlib.import_module(f"{__package__}.{self.builder.partition(':')[0]}")


_KIND = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
"""Of a tensor in a convolution, or in the batch normalisation behind it."""

_SCENE_KIND = _KIND.replace(")", "|_tmp_running_mean|_tmp_running_var|_running_iter)")
_SCENE_ENCODER = rf"((conv|bn)[123]|layer[1-4]\.\d+\.((conv|bn)[123]|downsample\.[01]))\.{_SCENE_KIND}"
_SCENE_DECODER = rf"(ppm\.\d+\.[12]|(cbr_deepsup|conv_last)\.\d|conv_last_deepsup)\.{_SCENE_KIND}"

_HED_OF_KERAS = r"(block\d/layers/conv2d(_\d)?|dsn\d|fuse)/vars/[01]"
_HED_KEYS = {
    r"(net|module)(Vgg...\.\d|Score...|Combine\.0)\.(weight|bias)": "hed:build_pytorch",
    _HED_OF_KERAS: "hed:build_keras",
    r"(conv\d_\d|branch\d/convfc|convfcweight)/[Wb](:0)?": "hed:build_tensorpack",
}

_EFFICIENTNET_LITE = Architecture(
    "EfficientNetLite",
    rf"(_conv_(stem|head)|_bn[01]|_fc|_blocks\.\d+\.(_(expand|depthwise|project)_conv|_bn[012]))\.{_KIND}",
    "efficientnet_lite:build",
)

_S3FD = Architecture(
    "S3FD",
    r"(fc[67]|conv\d_\d)\.(weight|bias)|conv\d_3_norm\.weight"
    r"|(conv\d_3_norm|fc7|conv\d_2)_mbox_(conf|loc)\.(weight|bias)",
    "s3fd:build",
)

_LPIPS_KEYS = r"lin\d\.model\.1\.weight"
_VQ_LAYER = (
    r"conv_(in|out)|norm_out|(down|up)\.\d+\.(down|up)sample\.conv"
    r"|(mid|(down|up)\.\d+)\.(block|attn)[._]\d+\.(norm[12]?|conv[12]|nin_shortcut|q|k|v|proj_out)"
)
_VQ_KEYS = rf"((en|de)coder\.({_VQ_LAYER})|(post_)?quant_conv)\.(weight|bias)|loss\.[\w.]+"
_CODEBOOK = r"quantize\.embedding\.weight"
_SCORED_CODEBOOK = r"quantize\.(proj\.(weight|bias)|embed\.weight)"
_GPT_KEYS = (
    r"pos_emb|(tok_emb|head)\.weight|ln_f\.(weight|bias)"
    r"|blocks\.\d+\.(attn\.mask|(ln[12]|attn\.(key|query|value|proj)|mlp\.[02])\.(weight|bias))"
)

_STYLED = r"weight|bias|resample_filter|noise_const|noise_strength|affine\.(weight|bias)"
_STYLEGAN2 = (
    Architecture(
        "StyleGAN2",
        rf"mapping\.(w_avg|(embed|fc\d+)\.(weight|bias))"
        rf"|synthesis\.b\d+\.(const|resample_filter|(conv[01]|torgb|skip)\.({_STYLED}))",
        "stylegan2:build",
    ),
    Architecture(
        "StyleGAN2",
        r"(synthesis/)?lod|dlatent_avg|mapping/(Dense\d+|Label(Embed|Concat))/(weight|bias)|synthesis/noise\d+"
        r"|synthesis/(\d+x\d+|ToRGB_lod\d+)/.*",
        "stylegan2_layouts:build_tensorflow",
    ),
    Architecture(
        "StyleGAN2",
        r"latent_avg|style\.\d+\.(weight|bias)|input\.input|noises\.noise_\d+|(conv1|convs\.\d+|to_rgb1|to_rgbs\.\d+)\."
        r"(bias|conv\.(weight|blur\.kernel|modulation\.(weight|bias))|noise\.weight|activate\.bias|upsample\.kernel)",
        "stylegan2_layouts:build_rosinality",
    ),
    Architecture(
        "StyleGAN2Discriminator",
        r"b\d+\.((fromrgb|conv[01]?|skip|fc|out)\.)?(weight|bias|resample_filter)|mapping\.(embed|fc\d+)\.(weight|bias)",
        "stylegan2_discriminator:build",
    ),
    Architecture(
        "StyleGAN2Discriminator",
        r"(\d+x\d+/(FromRGB|Conv|Conv0|Conv1_down|Skip|Dense0)|FromRGB_lod\d+|Output|LabelEmbed|Mapping\d+)/(weight|bias)"
        r"|lod",
        "stylegan2_layouts:build_discriminator_tensorflow",
    ),
    Architecture(
        "StyleGAN2Discriminator",
        r"convs\.0\.[01]\.(weight|bias)|convs\.\d+\.(conv[12]|skip)\.[012]\.(weight|bias|kernel)"
        r"|final_(conv|linear)\.[01]\.(weight|bias)",
        "stylegan2_layouts:build_discriminator_rosinality",
    ),
)

_VGG_KEYS = r"(features\.\d+|classifier\.\d)\.(weight|bias)"

ARCHITECTURES: dict[str, tuple[Architecture, ...]] = {
    "basnet": (
        Architecture(
            "BASNet",
            rf"(in(conv|bn)|encoder\d\.\d+\.((conv|bn)\d|downsample\.[01])|resb\d_\d\.(conv|bn)\d|(conv|bn)(bg|\dd)_[1m2]"
            rf"|outconv.|refunet\.(conv|bn)_?d?\d)\.{_KIND}",
            "basnet:build",
        ),
    ),
    "cartoonization": (
        Architecture(
            "CartoonGenerator",
            r"generator/(Conv(_\d)?|block_\d+/conv[12])/(weights|biases)",
            "cartoonization:build",
        ),
    ),
    "deepdream": (
        Architecture(
            "InceptionV1",
            r"(conv2d\d|mixed\d[a-e]_\w+|head\d_bottleneck)_pre_relu_conv\.(weight|bias)"
            r"|(nn\d_pre_relu|softmax\d_pre_activation)_matmul\.(weight|bias)",
            "inception_v1:build",
        ),
        Architecture(
            "InceptionV1",
            r"(conv2d\d|mixed\d[a-e]_\w+|head\d_bottleneck|nn\d|softmax\d)_[wb]|\w+/(concat_dim|reshape/shape)",
            "inception_v1:build_graph",
        ),
    ),
    "efficientnet_lite": (_EFFICIENTNET_LITE,),
    "esrgan": (
        Architecture(
            "RRDBNet",
            r"(conv_(first|body|up\d|hr|last)|body\.\d+\.rdb[123]\.conv[1-5])\.(weight|bias)",
            "rrdbnet:build",
        ),
        Architecture(
            "RRDBNet",
            r"(conv_first|trunk_conv|upconv\d|HRconv|conv_last|RRDB_trunk\.\d+\.RDB[123]\.conv[1-5])\.(weight|bias)",
            "rrdbnet:build_old",
        ),
        Architecture(
            "RRDBNet", r"model\.(\d+|1\.sub\.\d+(\.RDB[123]\.conv[1-5]\.0)?)\.(weight|bias)", "rrdbnet:build_numbered"
        ),
        Architecture("RRDBNet", r"Conv_\d+\.(weight|bias)", "rrdbnet:build_ncnn"),
        Architecture("SRVGGNetCompact", r"body\.\d+\.(weight|bias)", "srvgg:build"),
        Architecture("SRVGGNetCompact", r"Conv_\d+\.(weight|bias)|PRelu_\d+\.slope", "srvgg:build_ncnn"),
    ),
    "face": (
        Architecture("PNet", r"(conv[123]|conv4_[12]|prelu[123])\.(weight|bias)", "mtcnn:build_pnet"),
        Architecture("RNet", r"(conv[123]|prelu[1-4]|dense4|dense5_[12])\.(weight|bias)", "mtcnn:build_rnet"),
        Architecture("ONet", r"(conv[1-4]|prelu[1-5]|dense5|dense6_[123])\.(weight|bias)", "mtcnn:build_onet"),
        Architecture(
            "DlibDetector",
            r"input\.average|con\.[0-6]\.(filters|biases)|affine\.[0-5]\.(gamma|beta)",
            "dlib_mmod:build",
        ),
        Architecture(
            "DlibResNet",
            r"input\.average|con\.\d+\.(filters|biases)|affine\.\d+\.(gamma|beta)|fc\.0\.weights",
            "dlib_resnet:build",
        ),
        _S3FD,
    ),
    "face_parsing": (
        Architecture(
            "BiSeNet",
            rf"(cp\.(resnet\.((conv|bn)1|layer\d\.\d+\.((conv|bn)\d|downsample\.[01]))|arm\d\d\.(conv\.(conv|bn)|(conv|bn)_atten)"
            rf"|conv_(head\d\d|avg)\.(conv|bn))|ffm\.(convblk\.(conv|bn)|conv[12])|conv_out(16|32)?\.(conv\.(conv|bn)|conv_out))"
            rf"\.{_KIND}",
            "bisenet:build",
        ),
    ),
    "fast_style": (
        Architecture(
            "StylePredictor",
            r"(stem|blocks\.\d+\.(expand|depthwise|project)|head|style)\.(weight|bias)",
            "ghiasi:build_predictor",
        ),
        Architecture(
            "StyleTransformer",
            r"(contract\.\d|(residual\.\d+|expand)\.conv\d(\.norm\.(scale|shift))?)\.(weight|bias)",
            "ghiasi:build_transformer",
        ),
        Architecture("MultiStyle", r"((contract|expand)\.\d|res\.\d+\.\d)\.(w|norm\.(gamma|beta))", "multistyle:build"),
    ),
    "flownet": (
        Architecture(
            "FlowNetS",
            rf"(conv(\d(_1)?|_redir)\.[01]|deconv\d\.0|predict_flow\d|upsampled_flow\d_to_\d)\.{_KIND}",
            "flownet:build",
        ),
    ),
    "glow": (
        Architecture(
            "Glow",
            r"(model/(\d+/\d+/(actnorm_center/b|actnorm_scale/logs|invconv/W|shuffle/indices(_inverse)?"
            r"|f1/(l_[12]/(W|actnorm_center/b|actnorm_scale/logs)|l_last/(W|b|logs)))"
            r"|(pool\d+/conv|prior/(p|y_emb)|classifier)/(W|b|logs))|adam_t|Variable(_\d+)?)(/ExponentialMovingAverage.*)?",
            "glow:build",
        ),
    ),
    "hed": tuple(Architecture("HED", keys, builder) for keys, builder in _HED_KEYS.items()),
    "idinvert": (
        Architecture(
            "StyleGAN1",
            r"mapping\.(label_weight|dense\d+\.(fc\.weight|wscale\.bias))|truncation\.(w_avg|truncation)|synthesis\.(lod"
            r"|output\d+\.(bias|conv\.weight)|layer\d+\.(const|weight|conv\.weight|blur\.kernel"
            r"|epilogue\.(bias|apply_noise\.(weight|noise)|style_mod\.dense\.(fc\.weight|wscale\.bias))))",
            "stylegan1:build",
        ),
        Architecture(
            "IDInvertEncoder",
            rf"block\d+\.((conv[12]?|fc)\.weight|wscale[12]\.bias|bn[12]?\.bn\.{_KIND})",
            "idinvert_encoder:build",
        ),
        Architecture(
            "PerceptualVGG",
            r"layer(0|2|5|7|10|12|14|17|19|21|24|26|28)\.(weight|bias)",
            "vgg:build_perceptual",
        ),
    ),
    "neural_style": (
        Architecture("NIN", r"features\.(0|2|4|7|9|11|14|16|18|22|24|26)\.(weight|bias)", "nin:build"),
        Architecture("CaffeVGG", _VGG_KEYS, "vgg:build_caffe"),
    ),
    "photosketch": (Architecture("PhotoSketch", rf"model\.\d+(\.conv_block\.\d)?\.{_KIND}", "photosketch:build"),),
    "semantic_segmentation": (
        Architecture(
            "SceneParser", rf"encoder\.{_SCENE_ENCODER}|decoder\.{_SCENE_DECODER}", "semantic_segmentation:build"
        ),
        Architecture("DilatedResNet", _SCENE_ENCODER, "semantic_segmentation:build_encoder"),
        Architecture("PyramidPooling", _SCENE_DECODER, "semantic_segmentation:build_decoder"),
    ),
    "spade": (
        Architecture(
            "SPADEGenerator",
            r"fc\.(weight|bias)|conv_img\.(weight|bias)|(head_0|G_middle_[01]|up_[0-4])\.(conv_[01s]\.(bias|weight_(orig|u|v))"
            r"|norm_[01s]\.(param_free_norm\.(running_mean|running_var|num_batches_tracked)"
            r"|mlp_(shared\.0|gamma|beta)\.(weight|bias)))",
            "spade:build",
        ),
        Architecture(
            "StyleEncoder",
            r"layer\d+\.0\.weight_(orig|u|v)|fc_(mu|var)\.(weight|bias)",
            "spade:build_encoder",
        ),
    ),
    "stylegan2": _STYLEGAN2,
    "stylegan3": (
        Architecture(
            "StyleGAN3",
            r"synthesis\.input\.(weight|transform|freqs|phases|affine\.(weight|bias))|mapping\.(w_avg|(embed|fc\d+)\.(weight|bias))"
            r"|synthesis\.L\d+_\d+_\d+\.(weight|bias|magnitude_ema|(up|down)_filter|affine\.(weight|bias))",
            "stylegan3:build",
        ),
    ),
    "tacotron2": (
        Architecture(
            "Tacotron2",
            rf"embedding\.weight|(encoder|postnet)\.convolutions\.\d+\.(0\.conv|1)\.{_KIND}"
            r"|(encoder\.lstm|decoder\.(attention|decoder)_rnn)\.(weight|bias)_[ih]h(_l0(_reverse)?)?"
            r"|decoder\.(prenet\.layers\.\d|attention_layer\.(query_layer|memory_layer|v|location_layer\.location_(conv|dense))"
            r"|linear_projection|gate_layer)\.(linear_layer|conv)\.(weight|bias)",
            "tacotron2:build",
        ),
        Architecture(
            "WaveGlow",
            r"(model\.)?(upsample\.(weight|bias)|convinv\.\d+\.conv\.weight"
            r"|WN\.\d+\.((in|res_skip)_layers\.\d+|start|end|cond_layer)\.(bias|weight(_[gv])?))",
            "waveglow:build",
        ),
    ),
    "taming": (
        Architecture("VQModel", rf"{_VQ_KEYS}|{_CODEBOOK}", "vqgan:build"),
        Architecture("GumbelVQ", rf"{_VQ_KEYS}|{_SCORED_CODEBOOK}", "vqgan:build_gumbel"),
        Architecture("VQSegmentationModel", rf"{_VQ_KEYS}|{_CODEBOOK}|colorize", "vqgan:build_segmentation"),
        Architecture("GPT", _GPT_KEYS, "gpt:build"),
        Architecture(
            "Net2Net",
            rf"(first|cond)_stage_model\.({_VQ_KEYS}|{_CODEBOOK}|{_SCORED_CODEBOOK}|colorize)|transformer\.({_GPT_KEYS})",
            "net2net:build",
        ),
        Architecture(
            "NLayerDiscriminator",
            rf"(loss\.discriminator\.)?main\.\d+\.({_KIND}|loc|scale|initialized)",
            "patchgan:build",
        ),
    ),
    "torch_dreams": (
        Architecture(
            "InceptionV3",
            rf"((Conv2d_\d\w_\dx\d|Mixed_\d\w\.branch\w+|AuxLogits\.conv\d)\.(conv|bn)|(AuxLogits\.)?fc)\.{_KIND}",
            "inception_v3:build",
        ),
        _EFFICIENTNET_LITE,
    ),
    "style_transfer": (Architecture("VGG", _VGG_KEYS, "vgg:build"),),
    "wav2lip": (
        Architecture(
            "Wav2Lip",
            rf"(face_(en|de)coder_blocks\.\d+\.\d+|audio_encoder\.\d+|output_block\.0)\.conv_block\.[01]\.{_KIND}"
            r"|output_block\.1\.(weight|bias)",
            "wav2lip:build",
        ),
        Architecture("SyncNet", rf"(face|audio)_encoder\.\d+\.conv_block\.[01]\.{_KIND}", "syncnet:build"),
        _S3FD,
    ),
    "vgg16": tuple(Architecture("VGG16", keys, builder, part="trunk") for keys, builder in _HED_KEYS.items()),
    "lpips": (  # behind the networks that its trunks are from, which are meant where it fits no better
        Architecture("LPIPS", rf"{_VGG_KEYS}|{_LPIPS_KEYS}", "lpips:build"),
        Architecture("LPIPS", rf"{_HED_OF_KERAS}|{_LPIPS_KEYS}", "lpips:build_hed"),
    ),
}
"""By reference name. Where two fit equally well, the first is taken."""

ALIASES = {"real_esrgan": "esrgan", "taming_transformers": "taming", "stylegan": "stylegan2"}

ALIKE = 0.5
"""The likeness above which weights are taken to be meant for a network."""


def choose(name: str, state: StateDict) -> Architecture:
    """The architecture of `name` that the keys of `state` fit best.

    Raises:
        UnknownName: there is no network of this name.
        BadWeights: most keys are of none of its architectures; the message says whose they look like.
    """
    name = ALIASES.get(name, name)
    if name not in ARCHITECTURES:
        raise UnknownName("network", name, [*ARCHITECTURES, *ALIASES])
    best = nearest(ARCHITECTURES[name], state)
    if best.likeness(state) > ALIKE:
        return best
    message = f"these weights are not {name}'s: it has no {listing(state)}"
    others = [(other, nearest(rows, state)) for other, rows in ARCHITECTURES.items() if other != name]
    other, likely = max(others, key=lambda pair: pair[1].likeness(state))
    if likely.likeness(state) > ALIKE:
        message += f"; they look like {other}'s ({likely.network})"
    raise BadWeights(message)


def choose_among(names: Iterable[str], state: StateDict) -> Architecture:
    """The same for networks of several names; where two fit equally well, that of the first name is taken."""
    rows = {name: choices for name in names if (choices := ARCHITECTURES.get(ALIASES.get(name, name)))}
    name = max(rows, key=lambda each: nearest(rows[each], state).likeness(state))
    return choose(name, state)


def nearest(rows: Iterable[Architecture], state: StateDict) -> Architecture:
    """The row that the keys of `state` fit best."""
    return max(rows, key=lambda row: row.likeness(state))
