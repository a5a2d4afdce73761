"""The test entry points of our programs."""

import sys
from pathlib import Path

WITH_HOOKS = (sys.executable, str(Path(__file__).with_name("ingress_with_hooks.py")))
"""The ingress that can be told to die at a point, or to lose its patience sooner."""
