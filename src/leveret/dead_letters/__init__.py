"""Dead letters: what lies in a dead-letter queue, chosen, counted, and sent back to work.

`DeadLetterQueue` does it for a broker in this process, `leveret dlq` for any broker over AMQP; what
a dead letter is, which are meant and where each goes is the same code.
"""

from leveret.dead_letters.grouping import GROUP_KEYS, DeadLetterGroup, grouped
from leveret.dead_letters.letter import DeadLetter, Death
from leveret.dead_letters.queue import DeadLetterQueue, Redriving
from leveret.dead_letters.redrive import BACK_TO, Address, RedrivePlan, RedriveReport
from leveret.dead_letters.selection import Selection

__all__ = [
    "BACK_TO",
    "GROUP_KEYS",
    "Address",
    "DeadLetter",
    "DeadLetterGroup",
    "DeadLetterQueue",
    "Death",
    "RedrivePlan",
    "RedriveReport",
    "Redriving",
    "Selection",
    "grouped",
]
