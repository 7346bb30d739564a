"""Thought experiments, computed ahead where they are few: a view asks them without a kernel too."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from esnb.course.widgets.deltas import in_order, is_shell, leaves, trails
from esnb.errors import ReplayError
from esnb.model.aggregate import apply_to, replay
from esnb.model.history import History, Policy, WhatIf, refusal_of
from esnb.model.state import state_of

SINGLE_MUTES_UP_TO = 60
ORDER_UP_TO, ORDER_NODES = 10, 1_000
POLICIES: tuple[Policy, ...] = ("stop", "skip", "force")


def what_if(history: History[Any], muted: Iterable[int], policy: Policy) -> dict[str, Any]:
    """A thought experiment for the browser; see `History.without`."""
    return experiment(history, history.without(*muted, policy=policy), policy)


def experiment(history: History[Any], result: WhatIf[Any], policy: Policy) -> dict[str, Any]:
    """What the browser shows of one: where both states differ; which events were refused, and why.

    With the policy "stop", the fact is shown at the first refused event, else at the end.
    """
    refused = [[event.sequence_number, reason] for event, reason in result.refused]
    fact_at = len(history)
    fact = state_of(result.fact)
    if policy == "stop" and refused:
        fact_at = int(str(refused[0][0]))
        fact = history.state(fact_at)
    a, b = dict(leaves(fact)), dict(leaves(state_of(result.state)))
    rows = [
        [path, a.get(path), b.get(path)]
        for path in in_order(trails((a, b)))
        if a.get(path) != b.get(path) and not is_shell(path, a, b)
    ]
    return {
        "muted": list(result.muted),
        "policy": policy,
        "number": result.number,
        "fact_at": fact_at,
        "refused": refused,
        "rows": rows,
    }


def single_mutes(history: History[Any]) -> dict[str, dict[str, Any]] | None:
    """Every experiment with one event muted, by number and policy; None for a long history.

    So what-if works where there is no kernel. Without a refusal the three policies agree.
    """
    if len(history) > SINGLE_MUTES_UP_TO:
        return None
    found: dict[str, dict[str, Any]] = {}
    for number in range(1, len(history) + 1):
        skipped = what_if(history, [number], "skip")
        if skipped["refused"]:
            found[str(number)] = {
                "skip": skipped,
                "stop": what_if(history, [number], "stop"),
                "force": what_if(history, [number], "force"),
            }
        else:
            found[str(number)] = {policy: {**skipped, "policy": policy} for policy in POLICIES}
    return found


def order_tree(history: History[Any]) -> dict[str, Any] | None:
    """What may follow what, for a task: put the events of a short history in a legal order.

    A node holds, for each event left, the next node, or the reason why the state machine refuses
    it. None for a fold without rules, a long history, or one that allows too many orders.
    """
    if not 2 <= len(history) <= ORDER_UP_TO or not hasattr(history.kind, "refuses"):
        return None
    if len(history.events) != len(history):
        return None  # an upcaster split or dropped one: what is put in order is what is stored
    left, ruled = ORDER_NODES, False

    def node(state: Any, rest: list[int]) -> dict[str, Any] | None:
        nonlocal left, ruled
        left -= 1
        if left < 0:
            return None
        found: dict[str, Any] = {}
        for number in rest:
            event = history.events[number - 1]
            reason, after = refusal_of(state, event), copy.deepcopy(state)
            if reason is None:
                try:
                    apply_to(after, event)
                except ReplayError as error:
                    reason = f"apply fails: {error.__cause__}"
            ruled = ruled or reason is not None
            found[str(number)] = reason or node(after, [k for k in rest if k != number])
            if found[str(number)] is None:
                return None
        return found

    tree = node(replay(history.kind, ()), list(range(1, len(history) + 1)))
    return tree if ruled else None  # where nothing is refused, every order is right
