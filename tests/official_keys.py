"""Keys and shapes of the official weights files, of any size."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]


def rrdbnet(features: int = 64, growth: int = 32, blocks: int = 23, given: int = 3, made: int = 3) -> Shapes:
    """RRDBNet as Real-ESRGAN's files have it."""
    kernels = {"conv_first": (features, given)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for conv in (1, 2, 3, 4, 5):
                filters = growth if conv < 5 else features
                kernels[f"body.{block}.rdb{dense}.conv{conv}"] = (filters, features + (conv - 1) * growth)
    kernels |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (features, features))
    kernels["conv_last"] = (made, features)
    return _convolutions(kernels)


def rrdbnet_old(**sizes: int) -> Shapes:
    """RRDBNet as ESRGAN's files have it."""
    names = {
        "conv_body": "trunk_conv",
        "conv_up1": "upconv1",
        "conv_up2": "upconv2",
        "conv_hr": "HRconv",
    }
    renamed = {}
    for key, shape in rrdbnet(**sizes).items():
        layer, _, kind = key.rpartition(".")
        layer = names.get(layer, layer).replace("body.", "RRDB_trunk.").replace("rdb", "RDB")
        renamed[f"{layer}.{kind}"] = shape
    return renamed


def rrdbnet_numbered(features: int = 64, growth: int = 32, blocks: int = 23, doublings: int = 2) -> Shapes:
    """RRDBNet as the first ESRGAN files have it."""
    kernels = {"model.0": (features, 3)}
    for key, shape in rrdbnet(features, growth, blocks).items():
        if key.startswith("body.") and key.endswith("weight"):
            layer = key.removeprefix("body.").removesuffix(".weight").replace("rdb", "RDB")
            kernels[f"model.1.sub.{layer}.0"] = shape[:2]
    kernels[f"model.1.sub.{blocks}"] = (features, features)
    kernels |= {f"model.{3 * number}": (features, features) for number in range(1, doublings + 1)}
    kernels[f"model.{3 * doublings + 2}"] = (features, features)
    kernels[f"model.{3 * doublings + 4}"] = (3, features)
    return _convolutions(kernels)


def srvgg(features: int = 64, convolutions: int = 16, scale: int = 4) -> Shapes:
    """SRVGGNetCompact."""
    last = 2 * convolutions + 2
    kernels = {"body.0": (features, 3)}
    kernels |= {f"body.{number}": (features, features) for number in range(2, last, 2)}
    kernels[f"body.{last}"] = (3 * scale**2, features)
    slopes = {f"body.{number}.weight": (features,) for number in range(1, last, 2)}
    return _convolutions(kernels) | slopes


def hed(widths: tuple[int, ...] = (64, 128, 256, 512, 512), start: str = "net") -> Shapes:
    """HED as pytorch-hed has it: keys of the network start with "net", keys of the file with "module"."""
    kernels, scores = {}, {}
    channels = 3
    for block, (word, width) in enumerate(zip(("One", "Two", "Thr", "Fou", "Fiv"), widths, strict=True)):
        for number in range(2 if block < 2 else 3):
            kernels[f"{start}Vgg{word}.{2 * number + (block > 0)}"] = (width, channels)
            channels = width
        scores[f"{start}Score{word}"] = (1, width)
    scores[f"{start}Combine.0"] = (1, 5)
    return _convolutions(kernels) | _convolutions(scores, side=1)


def hed_keras(widths: tuple[int, ...] = (64, 128, 256, 512, 512)) -> Shapes:
    """HED as Keras has it, with the shapes of TensorFlow's kernels."""
    shapes: Shapes = {}
    given = 3
    for block, (width, depth) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), start=1):
        for number in range(depth):
            layer = f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"
            shapes |= {f"{layer}/0": (3, 3, given, width), f"{layer}/1": (width,)}
            given = width
        shapes |= {f"dsn{block}/vars/0": (1, 1, width, 1), f"dsn{block}/vars/1": (1,)}
    return shapes | {"fuse/vars/0": (1, 1, 5, 1), "fuse/vars/1": (1,)}


def hed_tensorpack(widths: tuple[int, ...] = (64, 128, 256, 512, 512)) -> Shapes:
    """HED as tensorpack has it, but with the shapes of PyTorch's kernels."""
    shapes: Shapes = {}
    channels = 3
    for block, width in enumerate(widths, start=1):
        for number in range(1, 3 if block < 3 else 4):
            shapes[f"conv{block}_{number}/W"] = (width, channels, 3, 3)
            shapes[f"conv{block}_{number}/b"] = (width,)
            channels = width
        shapes[f"branch{block}/convfc/W"] = (1, width, 1, 1)
        shapes[f"branch{block}/convfc/b"] = (1,)
    shapes["convfcweight/W"] = (1, 5, 1, 1)
    return shapes


def mtcnn(net: str, widths: tuple[int, ...], features: int = 0) -> Shapes:
    """PNet, RNet or ONet as facenet-pytorch has them."""
    kernels = {f"conv{number}": width for number, width in enumerate(widths, start=1)}
    shapes: Shapes = {}
    given = 3
    for number, (name, width) in enumerate(kernels.items(), start=1):
        side = 2 if net != "pnet" and number == len(widths) else 3
        shapes |= {f"{name}.weight": (width, given, side, side), f"{name}.bias": (width,)}
        shapes[f"prelu{number}.weight"] = (width,)
        given = width
    last = len(widths) + 1
    if net == "pnet":
        return shapes | _convolutions({"conv4_1": (2, given), "conv4_2": (4, given)}, side=1)
    rows = {
        f"dense{last}": (features, 9 * given),
        f"dense{last + 1}_1": (2, features),
        f"dense{last + 1}_2": (4, features),
    }
    if net == "onet":
        rows[f"dense{last + 1}_3"] = (10, features)
    for name, shape in rows.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes | {f"prelu{last}.weight": (features,)}


def _convolutions(kernels: dict[str, tuple[int, ...]], side: int = 3) -> Shapes:
    shapes: Shapes = {}
    for name, (filters, channels) in kernels.items():
        shapes[f"{name}.weight"] = (filters, channels, side, side)
        shapes[f"{name}.bias"] = (filters,)
    return shapes
