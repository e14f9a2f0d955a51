from .from_record import read_record as read_record
from .from_record import repeat as repeat
from .local import Summary as Summary
from .local import apply as apply
