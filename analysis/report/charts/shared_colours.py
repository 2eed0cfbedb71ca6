"""Which colour a variant has in a chart of many: the first of the ranking their own, the others one that they share."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.report.charts.drawing import FIRST, FOURTH, SECOND, THIRD, colours
from analysis.verdict.ranking import Ranked

SHADES, OTHERS = (FIRST, SECOND, FOURTH, THIRD), "others"


def coloured(rows: Sequence[dict[str, float]], ranking: Sequence[Ranked]) -> tuple[pd.DataFrame, list[str], alt.Color]:
    """The rows, each with its `place` in the ranking, as a frame with the names of their colours; and these colours."""
    own = len(ranking) if len(ranking) <= len(SHADES) else len(SHADES) - 1
    labels = [each.label for each in ranking]
    names = labels[:own] + ([OTHERS] if own < len(labels) else [])
    frame = pd.DataFrame(rows)
    frame["variant"] = [names[min(int(place), len(names) - 1)] for place in frame["place"]]
    shades = [*SHADES[:own], *([THIRD] if own < len(labels) else [])]
    return frame, names, colours("variant", names, shades, symbol="circle")


def behind_first(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """What others share is drawn first, so that it lies behind."""
    is_other = frame["variant"] == OTHERS
    return [part for part in (frame[is_other], frame[~is_other]) if len(part)]


def others_sentence(ranking: Sequence[Ranked]) -> str:
    more = len(ranking) - len(SHADES) + 1
    return f" Grey: the {more} further variants of the ranking." if len(ranking) > len(SHADES) else ""
