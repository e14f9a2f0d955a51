from .builder import build as build
from .works import WORKS as WORKS
from .works import Work as Work
