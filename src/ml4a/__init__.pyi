from . import models as models
from . import synthesis as synthesis
from . import weights as weights
from ._core import errors as errors
from ._core.progress import Cancel as Cancel
from ._core.progress import Progress as Progress
from ._core.progress import listening as listening
from .jobs import Summary as Summary
from .jobs import apply as apply
from .media import audio as audio
from .media import canvas as canvas
from .media import color as color
from .media import image as image
from .media import latents as latents
from .media import listen as listen
from .media import mask as mask
from .media import motion as motion
from .media import noise as noise
from .media import segmentation as segmentation
from .media import signals as signals
from .media import text as text
from .media import trace as trace
from .media import video as video
from .models import face as face
from .models.registry import load as load

__version__: str
