"""The most memory that a process has had, for code that runs in a process of its own.

Not `resource.getrusage`: there, a process begins with the peak of the one that started it.
"""

from __future__ import annotations

EXPRESSION = "next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))"
"""In kB; to be evaluated in that process."""
