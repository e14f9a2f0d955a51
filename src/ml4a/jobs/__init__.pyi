from .from_record import read_record as read_record
from .from_record import repeat as repeat
from .job import apply as apply
from .summary import Summary as Summary
