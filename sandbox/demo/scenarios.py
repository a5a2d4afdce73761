"""Every story that the demo plays, in one table. The long ones come first: all but the last few are played together."""

from sandbox.demo.stories.captures import CAPTURES
from sandbox.demo.stories.currencies import CURRENCIES
from sandbox.demo.stories.disputes import DISPUTES_TOLD
from sandbox.demo.stories.erasure import ERASURE
from sandbox.demo.stories.foreign import FOREIGN
from sandbox.demo.stories.paying import PAYING
from sandbox.demo.stories.refunds import REFUNDS
from sandbox.demo.stories.saved_cards import SAVED_CARDS
from sandbox.demo.stories.strange_money import STRANGE_MONEY

SCENARIOS = (
    *STRANGE_MONEY,
    *DISPUTES_TOLD,
    *REFUNDS,
    *SAVED_CARDS,
    *CAPTURES,
    *CURRENCIES,
    *FOREIGN,
    *ERASURE,
    *PAYING,
)
