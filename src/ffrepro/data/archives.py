"""The archives that data sets come in: upstream names, addresses, checksums, licences.

Adding one is adding an entry to ``ARCHIVES``. ``fetch`` reads nothing else about an archive.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.base import names
from ffrepro.base.errors import FfreproError

_BSP_COMMIT = "3343fb01f69575dd4fee44d92e83ff7784d15d12"
# PyTorch's copy first: the authors' own page has refused downloads for years.
_MNIST_PLACES = ("https://ossci-datasets.s3.amazonaws.com/mnist", "http://yann.lecun.com/exdb/mnist")


@dataclass(frozen=True)
class Archive:
    """One upstream file.

    Attributes:
        name: what users and rules call it.
        file: the upstream file name, also used in mirrors and in the cache.
        urls: where upstream serves it, tried in order; empty for what only mirrors have.
        sha256: hex SHA-256 of the upstream file; None where upstream promises no stable bytes.
        licence: one sentence about the terms.
        datasets: the data sets prepared from it (their names are accepted as aliases).
        standin: the module of ``ffrepro.data`` that makes the stand-in.
        note: what a user must know about its checksum.
        build: the function of that module that returns the stand-in's bytes.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    sha256: str | None
    licence: str
    datasets: tuple[str, ...]
    standin: str
    note: str = ""
    build: str = "build_archive"


def _mnist(name: str, file: str, sha256: str) -> Archive:
    """One of MNIST's four files, as its authors published them."""
    return Archive(
        name=f"mnist_{name}",
        file=file,
        urls=tuple(f"{place}/{file}" for place in _MNIST_PLACES),
        sha256=sha256,
        licence="none stated upstream; commonly given as CC BY-SA 3.0",
        datasets=("mnist",),
        standin="standin_images",
        build=f"mnist_{name}",
    )


ARCHIVES = {
    archive.name: archive
    for archive in (
        Archive(
            name="trajectories",
            file=f"BSP-S5-Forward-Forward-RNN-{_BSP_COMMIT}.tar.gz",
            urls=(f"https://codeload.github.com/FChikh/BSP-S5-Forward-Forward-RNN/tar.gz/{_BSP_COMMIT}",),
            sha256=None,
            licence="MIT for the repository; MCYT and MobileTouchDB keep the agreements they were collected under",
            datasets=("dollar", "mcyt", "mobiletouch", "raton"),
            standin="standin",
            note="GitHub makes this archive anew on request and guarantees the commit's files, not the archive's "
            "bytes, so there is no upstream checksum to hold it to; the one obtained is recorded beside the file.",
        ),
        _mnist(
            "train_images",
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        _mnist(
            "train_labels",
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        _mnist(
            "test_images",
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        _mnist(
            "test_labels",
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        Archive(
            name="cifar10",
            file="cifar-10-python.tar.gz",
            urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            licence="none stated upstream; the authors ask for a citation of Krizhevsky (2009)",
            datasets=("cifar10",),
            standin="standin_images",
            build="cifar10_archive",
        ),
        Archive(
            name="cifar100",
            file="cifar-100-python.tar.gz",
            urls=("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
            sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            licence="none stated upstream; the authors ask for a citation of Krizhevsky (2009)",
            datasets=("cifar100",),
            standin="standin_images",
            build="cifar100_archive",
        ),
        Archive(
            name="imagenette",
            file="imagenette2-320.tgz",
            urls=("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",),
            sha256=None,
            licence="Apache 2.0 for the list; the photographs keep the terms of ImageNet (research and education)",
            datasets=("imagenette",),
            standin="standin_photographs",
            note="Upstream states no SHA-256; the one obtained is recorded beside the file.",
            build="whole",
        ),
        Archive(
            name="imagenette_subset",
            file="imagenette2-224-subset.tgz",
            urls=(),
            sha256=None,
            licence="Apache 2.0 for the list; the photographs keep the terms of ImageNet (research and education)",
            datasets=("imagenette_subset",),
            standin="standin_photographs",
            note="It is a random part of Imagenette version 2, 120 training and 80 validation images a class at "
            "224 x 224; the whole set is the data set `imagenette`.",
            build="subset",
        ),
        Archive(
            name="acl_imdb",
            file="aclImdb_v1.tar.gz",
            urls=("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
            sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            licence="none stated upstream; the authors ask for a citation of Maas et al. (2011)",
            datasets=("imdb",),
            standin="standin_texts",
            build="reviews_archive",
        ),
        Archive(
            name="multi30k_task1",
            file="multi30k-task1-en-de.tar",
            urls=("https://codeload.github.com/multi30k/dataset/tar.gz/refs/heads/master",),
            sha256=None,
            licence="captions: CC BY-NC-SA 4.0 (upstream's README); the images are not used",
            datasets=("multi30k",),
            standin="standin_texts",
            note="GitHub makes an archive of the repository anew on request, so there is no upstream checksum; a "
            "mirror's copy may hold the English and German files of task 1 alone.",
            build="translations_archive",
        ),
        Archive(
            name="punkt",
            file="punkt_tab.zip",
            urls=("https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/tokenizers/punkt_tab.zip",),
            sha256=None,
            licence="Apache 2.0 (NLTK data)",
            datasets=("imdb",),
            standin="standin_texts",
            note="upstream renews this file under the same name, so there is no checksum to hold it to; the one "
            "obtained is recorded beside the file.",
            build="punkt_archive",
        ),
    )
}


def find(name: str) -> Archive:
    """The archive called ``name``, or the one that holds the data set called ``name``.

    Raises:
        FfreproError: neither exists (the message suggests the nearest name), or the data set comes in several.
    """
    found = find_all(name)
    if len(found) > 1:
        raise FfreproError(
            f"the data set {name!r} comes in {len(found)} archives",
            fix=f"name one of them: {', '.join(archive.name for archive in found)}",
        )
    return found[0]


def find_all(name: str) -> list[Archive]:
    """The archive called ``name``, or every one that the data set called ``name`` needs, in the set's order.

    Raises:
        FfreproError: neither exists; the message suggests the nearest name.
    """
    if name in ARCHIVES:
        return [ARCHIVES[name]]
    found = [archive for archive in ARCHIVES.values() if name in archive.datasets]
    if not found:
        aliases = dict.fromkeys(dataset for archive in ARCHIVES.values() for dataset in archive.datasets)
        raise names.unknown("archive", name, dict.fromkeys([*ARCHIVES, *aliases]))
    return found
