"""Downloading a dataset: each of its files, checked, and unpacked into its folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from canids.artifacts import atomic_path
from canids.catalogue.captures import dataset_folder
from canids.catalogue.download import PAUSES, Expected, download
from canids.catalogue.presence import State, presence_of
from canids.catalogue.unpack import unpack
from canids.errors import ConfigError, FetchError
from canids.progress import transfer

DOWNLOADS = "downloads"


def fetch(dataset: DictConfig, data_root: Path, pauses: Sequence[float] = PAUSES) -> Path:
    """Download a dataset and put it where its config says; what is complete stays as it is.

    Downloads are kept in ``<data_root>/downloads``: datasets may share an archive.

    Args:
        dataset: the ``dataset`` section of the configuration.
        pauses: as of ``download``.

    Returns:
        The dataset's folder.

    Raises:
        ConfigError: a file of the dataset is described badly.
        FetchError: it has no direct link, or a download or an archive fails.
    """
    folder = dataset_folder(dataset)
    if not dataset.files:
        raise FetchError(
            f"dataset '{dataset.name}' has no direct link; it comes from {dataset.source or 'elsewhere'}. "
            f"By hand: {dataset.obtain or 'see its config'}. Its folder is {folder}"
        )
    if presence_of(dataset).state is State.COMPLETE:
        return folder
    for name, remote in dataset.files.items():
        key = f"dataset.files.{name}"
        if not remote.url.startswith(("http://", "https://")):
            raise ConfigError(f"{key}.url: given {remote.url!r}, allowed: a link that begins with https:// or http://")
        if not (remote.sha256 or remote.md5):
            raise ConfigError(f"{key}: given no checksum, allowed: sha256 (md5 where no other is known)")
        if Path(name).name != name or name.startswith("."):
            raise ConfigError(f"{key}: given {name!r}, allowed: the name of a file")
        archive = data_root / DOWNLOADS / name
        with transfer(name) as report:
            download(remote.url, archive, Expected(remote.bytes, remote.sha256, remote.md5), report, pauses)
        if remote.unpack is not None:
            unpack(archive, remote.unpack, folder)
        else:
            with atomic_path(folder / name) as beside:
                shutil.copyfile(archive, beside)
    return folder
