"""Finds the images of a task: local copies, then the hub's cache, then original archives."""

from __future__ import annotations

from mergebench.errors import InputError
from mergebench.suites.images import Source
from mergebench.suites.options import SuiteOptions
from mergebench.suites.split_names import WHOLE
from mergebench.suites.vision8.archives import find_archive
from mergebench.suites.vision8.completeness import problems_of
from mergebench.suites.vision8.hub import find_in_hub_cache
from mergebench.suites.vision8.image_files import find_image_folders
from mergebench.suites.vision8.parquet import find_parquet
from mergebench.suites.vision8.prompts import prompts_of
from mergebench.suites.vision8.tasks import TaskRow


def find_source(row: TaskRow, options: SuiteOptions) -> Source | None:
    """Return the first source that has a task's images, without the network; None without any.

    In order: image folders, then Parquet files in `<data_root>/<task>`; the hub's cache; the
    unpacked archive. A source of the hub without all splits (validation is not in every copy) is
    passed over, and one that cannot be used is if there is an archive. Raises `InputError` for a
    source that is damaged or has other classes.
    """
    prompts, partial = prompts_of(row.name), options.partial
    folder = options.data_root / row.name
    drawn = "val" not in row.sizes
    found = find_image_folders(folder, prompts, partial=partial, by_number=drawn) or find_parquet(
        folder,
        prompts,
        partial=partial,
        config=row.hub.config,
        label_columns=row.hub.label_columns,
    )
    return found or _hub_or_archive(row, options)


def _hub_or_archive(row: TaskRow, options: SuiteOptions) -> Source | None:
    prompts, partial = prompts_of(row.name), options.partial
    hub, damage = None, None
    try:
        hub = find_in_hub_cache(row.hub, prompts, partial=partial)
        if hub is not None and not has_splits(row, hub):
            hub = None
        if hub is not None and not problems_of(row, hub, partial=partial):
            return hub
    except InputError as error:
        damage = error
    archive = find_archive(options.data_root, prompts, partial=partial)
    if archive is None and damage is not None:
        raise damage
    return archive or hub


def has_splits(row: TaskRow, source: Source) -> bool:
    """Whether a source has every published split of the task, or all images in one."""
    return WHOLE in source.splits or set(row.sizes) <= set(source.splits)
