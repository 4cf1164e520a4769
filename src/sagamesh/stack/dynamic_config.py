"""What a Temporal server is told on one machine."""

from __future__ import annotations

__all__ = ["DYNAMIC_CONFIG"]

DYNAMIC_CONFIG = (
    # A hop between two queues waits for the next poll: 20 a second leave 40 ms on each.
    "history.transferProcessorMaxPollRPS=200",
    # What is done stays in a list until then, which is gone through for each of those polls: with 30 s, for thousands.
    'history.transferProcessorUpdateAckInterval="1s"',
    # Timers are looked for up to a second late, and every retry and deadline is a timer. One host has one clock.
    'history.timerProcessorMaxTimeShift="10ms"',
    # One host has no use for partitions, and forwarding between them doubles the slowest answers.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    # Who is killed while changing the rate of a queue leaves the server with an old version in memory, and every later
    # change in the namespace fails until the server reads its database again: after minutes, unless it does so often.
    'matching.getUserDataRefresh="5s"',
    # Without it nobody is served by tenant: whoever has put more on a queue is served more.
    "matching.enableFairness=true",
    # A server for development reads the list of search attributes from its database 19 times an order, a quarter
    # of all that it asks it. As on a cluster, one that is created while the server runs may be unknown for a minute.
    "system.forceSearchAttributesCacheRefreshOnRead=false",
)
"""What one machine needs otherwise than a cluster. Each value was measured against its absence."""
