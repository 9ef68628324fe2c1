"""What a measurement reads: downloaded where that is allowed, and asked for in one message."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.backbones import missing_weights
from mergebench.missing import MissingItem, require_nothing, size_text
from mergebench.suites import (
    DataState,
    SuiteOptions,
    UnreachableError,
    fetch_data,
    is_offline,
    survey_suite,
)
from mergebench.terminal import say


def require_inputs(
    backbone: str,
    weights: str | None,
    suite: str,
    data: SuiteOptions | None,
    tasks: Sequence[str] | None,
) -> None:
    """Download the data sets that are missing, or say in one message all that is.

    Raises `MissingItemsError` without building a model or decoding data: at once if downloads
    are forbidden or local copies cannot be used, within seconds if the hub does not answer, and for
    what could not be downloaded.
    """
    lacking = missing_weights(backbone, weights)
    states = [] if data is None else survey_suite(suite, tasks, data)
    incomplete = [state for state in states if state.problem]
    found = [state.missing for state in incomplete]
    unusable = any(not state.absent for state in incomplete)
    if not incomplete or lacking is not None or unusable or is_offline():
        require_nothing([item for item in (lacking, *found) if item is not None])
        return
    require_nothing(_after_fetching(incomplete))


def _after_fetching(states: Sequence[DataState]) -> list[MissingItem]:
    """Download these data sets; return what is missing then."""
    fetched = []
    for number, state in enumerate(states):
        say(
            f"{state.row.name}: {state.problem}; downloading {size_text(state.row.download)}",
        )
        try:
            fetched.append(fetch_data(state))
        except UnreachableError as error:
            say(f"no download: {error}")
            fetched += states[number:]
            break
    return [state.missing for state in fetched if state.missing is not None]
