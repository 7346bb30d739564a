"""How events reach a reader elsewhere: a broker, and a network that duplicates and reorders."""

from esnb.transports.unreliable_delivery import (
    Batch,
    Consumer,
    Transport,
    scorecard,
    smallest,
)

__all__ = ["Batch", "Consumer", "Transport", "scorecard", "smallest"]
