from . import registry as registry
from .fast_style import FastStyle as FastStyle
from .hed import HED as HED
from .real_esrgan import RealESRGAN as RealESRGAN
