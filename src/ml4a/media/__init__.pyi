from . import image as image
from . import motion as motion
from . import samples as samples
from . import video as video
