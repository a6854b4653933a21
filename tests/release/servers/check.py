"""Compares what callers were told with what the server processed."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

NOT_PROCESSED = "Nothing was processed"  # in the hint of the sidecar's answer
NOT_SENT = ("upstream_connect", "upstream_dns", "upstream_tls")  # its codes without a connection


@dataclass
class Result:
    """Of one variant of one server."""

    counts: Counter = field(default_factory=Counter)
    violations: list = field(default_factory=list)
    output: str = ""  # of the server
    log: str = ""  # of the sidecar


def check(server, outcomes, journal):
    """`outcomes` and `journal` are the files that callers and server have written."""
    events = read(journal)
    result = Result()
    result.counts["resets"] = events["reset"].total()
    for line in outcomes.read_text().splitlines():
        outcome = json.loads(line)
        _judge(server, outcome, events, result)
    variant = server.variant
    if server.tells_resets and variant.protocol == "h2" and variant.mix != "early" and result.counts["resets"]:
        codes = ", ".join(f"{count} with code {code}" for code, count in events["reset"].items())
        result.violations.append(f"complete answers were reset: {codes}")
    return result


def read(journal):
    """How often each event of the journal happened to what."""
    events = defaultdict(Counter)
    for line in journal.read_text().splitlines() if journal.exists() else ():
        event, what = line.split(" ", 1)
        events[event][what] += 1
    return events


def _judge(server, outcome, events, result):
    variant, request = server.variant, outcome["id"]
    processed = events["processed"][request]
    journaled = not (outcome["early"] and server.answers_early)
    counts = result.counts

    def violates(what):
        result.violations.append(
            f"{what}: {outcome['method']} {request}, {outcome['size']} B{', early' if outcome['early'] else ''}, "
            f"{outcome['callers']} callers, connection of the caller {'reused' if outcome['reused'] else 'new'}, "
            f"processed {processed}×, begun {events['begun'][request]}×, answered {outcome['status']} "
            f"{outcome['code']} {outcome['hint'] or outcome['detail']!r} after {outcome['took']} ms"
        )

    counts["requests"] += 1
    if processed > 1:
        counts["twice"] += 1
        if outcome["method"] != "GET" or not variant.may_repeat_get:
            violates("processed more than once")
    match outcome["outcome"]:
        case "answered":
            counts["answered"] += 1
            if journaled and processed == 0:
                violates("answered and not processed")
        case "refused" if NOT_PROCESSED in outcome["hint"] or outcome["code"] in NOT_SENT:
            counts["not processed"] += 1
            # A server may begin with content that the sidecar could not send whole.
            kept = outcome["size"] < 1 << 16
            if processed:
                violates("said to be not processed, and was")
            elif kept and not variant.may_refuse:
                violates("not processed, though it could be sent again")
        # The server's own 502 comes from a connection to the application that it has cut.
        case "refused" | "unexpected" if outcome["status"] in (502, 504):
            counts["failed"] += 1
            if not variant.may_fail:
                violates("failed")
        case "broken":
            counts["broken"] += 1
            # A caller that sees nothing at all may send the request again by itself.
            if not variant.may_break or outcome["status"] == 0:
                violates("broke off")
        case "hung":
            counts["hung"] += 1
            violates("hung")
        case "wrong":
            counts["wrong"] += 1
            if not variant.may_truncate:
                violates("wrong")
        case other:
            counts["other"] += 1
            violates(other)
