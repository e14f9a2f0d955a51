from .from_record import read_record as read_record
from .from_record import repeat as repeat
from .job import apply as apply
from .made import render as render
from .made import settings_of as settings_of
from .summary import Summary as Summary
