"""The rows of the chaos suite: what is done, what must hold, and how often it is tried."""

from __future__ import annotations

from tests.chaos import children, damage, kills, leaks, mixing, training, wire
from tests.chaos.scene import Row

ROWS = (
    Row("faults on the wire", "each trial answered once, with what the server said; no key stored", wire.faults, 27, 270),
    Row("rate limits", "nobody asks before the wait that was named is over; nothing missing", wire.limits, 2, 20),
    Row("batches left while polled", "found again; no request handed in twice", wire.batches, 1, 12),
    Row("runs killed, twice each", "continued to the same verdicts and table", kills.runs, 2, 40),
    Row("SIGTERM, SIGHUP, SIGINT", "message, totals, exit code 130; continued to the same verdicts", kills.stops, 2, 45),
    Row("commands with children ended", "message, totals, exit code 130; no child is left alive", children.ends, 0, 20),
    Row("reports and regradings killed", "no half file; the next report is the right one", kills.reports, 2, 40),
    Row("trainings killed while they save", "continued from a whole checkpoint", training.saves, 0, 3),
    Row("full disks", "one line, exit code 2; what was there stays; with room it goes on", kills.disks, 6, 80),
    Row("full and closed outputs", "one line or none, and no exit code that means something else", kills.full_outputs, 4, 42),
    Row("damaged run directories", "the right table, a word about it, or one line", damage.run_files, 24, 500),
    Row("damaged caches", "the right table; what cannot be used is set aside by name", damage.cache_files, 6, 200),
    Row("shards", "other configurations refused, missing ones named, whole sets as one run", mixing.shards, 4, 13),
    Row("links in run directories", "not followed, nothing outside written", mixing.links, 12, 54),
    Row("loops in foreign files", "over within seconds, in one line", mixing.loops, 90, 3600),
    Row("hostile texts in reports", "come alive in no format", leaks.hostile, 4, len(leaks.HOSTILE)),
    Row("planted keys", "in no file and no line, in no form", leaks.planted, 5, len(leaks.PLACES) * len(leaks.FORMS)),
)
