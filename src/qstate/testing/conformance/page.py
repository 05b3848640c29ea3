"""The page: which store keeps which promise, what lies behind it, and what did not apply."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from qstate.testing.conformance.laws import OFFERED

HEADING: Final = """\
# Conformance

Written by `make conformance` from a run of `qstate.testing.conformance.BackendConformance` on real
servers; not edited by hand. Each promise is a few laws, each law a test whose name reads as what is
promised. *kept* has the number of laws of which all cases held. A law that says nothing about a
store is not counted, and told [below](#what-did-not-apply) with the reason. *regression*,
*unsupported*, *future*: declared as a known failure of the store, and told below the table.
"""

NOT_APPLICABLE: Final = "not applicable"


class Outcome(NamedTuple):
    """What became of one case of one law on one store."""

    store: str
    promise: str
    law: str
    case: str
    word: str
    reason: str


def page(outcomes: Sequence[Outcome], counts: Mapping[str, int]) -> str:
    """All that a run has shown, in Markdown."""
    behind = "\n".join(f"- {count:,} {name}" for name, count in sorted(counts.items()))
    return "\n".join(
        (
            HEADING,
            f"## Promises\n\n{promises(outcomes)}\n",
            f"Known failures:\n\n{_known(outcomes)}\n",
            f"Behind it, beside the single calls:\n\n{behind or '- nothing more'}\n",
            f"## What did not apply\n\n{_left_out(outcomes)}\n",
            f"## Laws\n\n{_laws(outcomes)}\n",
        )
    )


def promises(outcomes: Sequence[Outcome]) -> str:
    """The table of promises by stores."""
    return _table("promise", outcomes, lambda outcome: outcome.promise, _laws_kept)


def in_words(law: str) -> str:
    """The name of a law as a sentence."""
    return law.removeprefix("test_").replace("_", " ")


def _laws(outcomes: Sequence[Outcome]) -> str:
    return _table("law", outcomes, lambda outcome: in_words(outcome.law), _cases)


def _table(
    what: str,
    outcomes: Sequence[Outcome],
    row_of: Callable[[Outcome], str],
    tell: Callable[[Sequence[Outcome]], str],
) -> str:
    cells: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        cells[row_of(outcome), outcome.store].append(outcome)
    stores = sorted({outcome.store for outcome in outcomes}, key=str.casefold)
    lines = [f"| {what} | {' | '.join(stores)} |", "| --- |" + " --- |" * len(stores)]
    for row in dict.fromkeys(map(row_of, outcomes)):
        told = (tell(cells[row, store]) for store in stores)
        lines.append(f"| {row} | {' | '.join(told)} |")
    return "\n".join(lines)


def _laws_kept(cases: Sequence[Outcome]) -> str:
    """What became of the laws of a promise: the worst case of a law is the law's."""
    words: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        words[case.law].add(case.word)
    told = Counter(_worst(of_law) for of_law in words.values())
    kept = told.pop("kept", 0)
    left_out = told.pop(NOT_APPLICABLE, 0)
    parts = [f"kept {kept}"] if kept else []
    parts += [f"**{word} {count}**" for word, count in sorted(told.items())]
    if not parts and left_out:
        parts = [NOT_APPLICABLE]
    return ", ".join(parts) or "not run"


def _worst(words: Iterable[str]) -> str:
    ranks = {NOT_APPLICABLE: 0, "kept": 1}
    return max(sorted(words), key=lambda word: ranks.get(word, 2))


def _cases(cases: Sequence[Outcome]) -> str:
    told = Counter(case.word for case in cases)
    return ", ".join(word for word in sorted(told, key=_rank)) or "not run"


def _rank(word: str) -> int:
    return ("kept", NOT_APPLICABLE).index(word) if word in ("kept", NOT_APPLICABLE) else -1


def _known(outcomes: Sequence[Outcome]) -> str:
    """What was declared, whether or not it came true."""
    declared = dict.fromkeys(
        f"- {each.store}, `{each.law}`: {each.word}: {each.reason}"
        for each in outcomes
        if each.word not in ("kept", NOT_APPLICABLE) or (each.word == "kept" and each.reason)
    )
    return "\n".join(declared) or "- none"


def _left_out(outcomes: Sequence[Outcome]) -> str:
    """For each reason the stores that it held for, and how many laws it left out."""
    laws: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for each in outcomes:
        if each.word == NOT_APPLICABLE:
            laws[each.reason][each.store].add(each.law)
    lines = []
    for reason in sorted(laws, key=lambda reason: (reason.endswith(OFFERED), reason)):
        stores = laws[reason]
        told = ", ".join(
            f"{store} {len(stores[store])}" for store in sorted(stores, key=str.casefold)
        )
        lines.append(f"| {reason} | {told} |")
    head = "| reason | stores, and how many laws |\n| --- | --- |\n"
    return head + "\n".join(lines) if lines else "Every law applied to every store."
