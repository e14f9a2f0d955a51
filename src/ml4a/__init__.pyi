from . import models as models
from . import weights as weights
from ._core import errors as errors
from ._core.progress import Cancel as Cancel
from ._core.progress import Progress as Progress
from ._core.progress import listening as listening
from .jobs import Summary as Summary
from .jobs import apply as apply
from .media import image as image
from .media import motion as motion
from .media import video as video
from .models.registry import load as load

__version__: str
