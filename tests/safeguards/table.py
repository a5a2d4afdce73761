"""Every safeguard that is removed in turn. To add one: docs/safeguards.md."""

from tests.safeguards.asking import ASKING
from tests.safeguards.carrying import CARRYING
from tests.safeguards.deciding import DECIDING
from tests.safeguards.guarding import GUARDING

SAFEGUARDS = (*CARRYING, *ASKING, *DECIDING, *GUARDING)
