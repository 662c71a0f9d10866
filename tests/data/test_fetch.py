"""Fetching: cache, mirror, upstream; and that a failure leaves nothing that looks like an archive."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import tarfile
import threading

import pytest

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.lock import locked
from ffrepro.data import archives
from ffrepro.data.download import Patience
from ffrepro.data.fetch import fetch

FILE = "tiny-1.0.bin"
CONTENT = bytes(range(256)) * 2000  # 512,000 bytes: several reads
OTHER = CONTENT[::-1]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("FFREPRO_MIRROR", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def tiny(server, monkeypatch):
    """Register an archive that the test server offers; ``tiny(sha256=...)`` changes what is known of it."""

    def register(sha256=None, urls=None):
        entry = archives.Archive("tiny", FILE, urls or (f"{server.url}/{FILE}",), sha256, "none", ("pair",), "standin")
        monkeypatch.setitem(archives.ARCHIVES, "tiny", entry)

    server.files[FILE] = CONTENT
    register()
    return register


@pytest.fixture
def get(tmp_path):
    """``get(...)`` fetches "tiny" into tmp_path/raw; ``get.said`` is what it said."""
    said: list[str] = []

    def run(name="tiny", source="upstream", mirror=None, attempts=3):
        return fetch(
            name, source, tmp_path / "raw", mirror, patience=Patience(attempts, timeout=5, backoff=0), say=said.append
        )

    run.said = said
    return run


def record_of(path):
    return json.loads(path.with_name(path.name + ".json").read_text())


def in_raw(tmp_path):
    """All files but the locks, which stay."""
    return sorted(p.name for p in (tmp_path / "raw").rglob("*") if p.is_file() and p.suffix != ".lock")


def make_mirror(folder, content=CONTENT, listed=CONTENT, provenance="every second byte is upstream's"):
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  another.zip\n{files.sha256_bytes(listed)}  {FILE}\n")
    (folder / "PROVENANCE.json").write_text(json.dumps({FILE: provenance}))
    return folder


def test_upstream_leaves_file_and_record(tiny, get, server, tmp_path):
    path = get()
    assert path == tmp_path / "raw" / "upstream" / FILE
    assert path.read_bytes() == CONTENT
    record = record_of(path)
    assert record.pop("fetched").endswith("+00:00")
    assert record == {
        "archive": "tiny",
        "file": FILE,
        "source": "upstream",
        "from": "upstream",
        "location": f"{server.url}/{FILE}",
        "sha256": files.sha256_bytes(CONTENT),
        "bytes": len(CONTENT),
        "provenance": "upstream as served",
    }
    assert in_raw(tmp_path) == [FILE, FILE + ".json"]


def test_a_data_set_name_is_an_alias(tiny, get):
    assert get("pair").read_bytes() == CONTENT


def test_cache_hit_makes_no_request(tiny, get, server):
    get()
    before = list(server.log)
    assert get().read_bytes() == CONTENT
    assert server.log == before
    assert "already there" in get.said[-1]


def test_a_damaged_cached_file_is_fetched_again(tiny, get, server):
    path = get()
    path.write_bytes(CONTENT[:-1])
    assert get().read_bytes() == CONTENT
    assert len(server.log) == 2
    assert any("not what its record says" in line for line in get.said)


def test_a_cached_file_without_record_is_not_trusted(tiny, get, server, tmp_path):
    path = tmp_path / "raw" / "upstream" / FILE
    files.write_bytes(path, OTHER)
    assert get().read_bytes() == CONTENT
    assert any("no record" in line for line in get.said)


def test_a_later_call_transfers_only_the_rest(tiny, get, server, tmp_path):
    server.etags[FILE] = '"v1"'
    server.cut_after = [200_000]
    with pytest.raises(FfreproError, match=r"after 1 attempts.*200,000 of 512,000 bytes"):
        get(attempts=1)
    assert in_raw(tmp_path) == [FILE + ".part", FILE + ".part.json"]
    assert get().read_bytes() == CONTENT
    assert server.log == [(FILE, None, 200_000), (FILE, "bytes=200000-", 312_000)]
    assert in_raw(tmp_path) == [FILE, FILE + ".json"]


def test_a_cut_transfer_goes_on_within_one_call(tiny, get, server):
    server.etags[FILE] = '"v1"'
    server.cut_after = [100_000, 100_000]
    assert get().read_bytes() == CONTENT
    assert [sent for *_, sent in server.log] == [100_000, 100_000, 312_000]
    assert any("100,000 of 512,000" in line and "attempt 2 of 3" in line for line in get.said)


def test_a_server_without_ranges_sends_all_again(tiny, get, server):
    server.ranges = False
    server.etags[FILE] = '"v1"'
    server.cut_after = [100_000]
    assert get().read_bytes() == CONTENT
    assert server.log == [(FILE, None, 100_000), (FILE, "bytes=100000-", 512_000)]


def test_a_file_that_changed_upstream_is_not_joined(tiny, get, server):
    server.etags[FILE] = '"v1"'
    server.cut_after = [100_000]
    with pytest.raises(FfreproError):
        get(attempts=1)
    server.files[FILE], server.etags[FILE] = OTHER, '"v2"'
    assert get().read_bytes() == OTHER
    assert server.log[-1] == (FILE, "bytes=100000-", 512_000)


def test_without_validator_and_checksum_it_starts_anew(tiny, get, server):
    server.cut_after = [100_000]
    assert get().read_bytes() == CONTENT
    assert [asked for _, asked, _ in server.log] == [None, None]


def test_without_validator_a_known_checksum_allows_going_on(tiny, get, server):
    tiny(sha256=files.sha256_bytes(CONTENT))
    server.cut_after = [100_000]
    assert get().read_bytes() == CONTENT
    assert [asked for _, asked, _ in server.log] == [None, "bytes=100000-"]


def test_a_partial_file_longer_than_the_file_is_dropped(tiny, get, server, tmp_path):
    server.etags[FILE] = '"v1"'
    server.cut_after = [100_000]
    with pytest.raises(FfreproError):
        get(attempts=1)
    server.files[FILE] = CONTENT[:5000]
    assert get().read_bytes() == CONTENT[:5000]


def test_a_busy_server_is_asked_again(tiny, get, server):
    server.statuses = [503, 429]
    assert get().read_bytes() == CONTENT
    assert len(server.log) == 3


def test_wrong_checksum_leaves_nothing(tiny, get, server, tmp_path):
    tiny(sha256="ab" * 32)
    with pytest.raises(FfreproError, match=rf"checksum mismatch for {FILE}") as error:
        get()
    assert error.value.where == f"{server.url}/{FILE}"
    assert "run the same command again" in error.value.fix
    assert in_raw(tmp_path) == []


def test_404_is_not_retried_and_names_the_fix(tiny, get, server, tmp_path):
    del server.files[FILE]
    with pytest.raises(FfreproError, match="does not have the file") as error:
        get()
    assert "FFREPRO_MIRROR" in error.value.fix
    assert len(server.log) == 1
    assert in_raw(tmp_path) == []


def test_the_next_address_is_tried(tiny, get, server):
    tiny(urls=(f"{server.url}/gone", f"{server.url}/{FILE}"))
    path = get()
    assert path.read_bytes() == CONTENT
    assert record_of(path)["location"] == f"{server.url}/{FILE}"
    assert any("next address" in line for line in get.said)


def test_no_server_at_all(tiny, get, server):
    tiny(urls=("http://127.0.0.1:9/file",))
    with pytest.raises(FfreproError, match=r"failed after 2 attempts \(.*refused"):
        get(attempts=2)


def test_mirror_folder(tiny, get, server, tmp_path):
    path = get(mirror=make_mirror(tmp_path / "mirror"))
    assert path.read_bytes() == CONTENT
    assert server.log == []
    record = record_of(path)
    assert (record["from"], record["location"]) == ("mirror", f"mirror/{FILE}")
    assert record["provenance"] == "every second byte is upstream's"
    assert str(tmp_path) not in json.dumps(record)


def test_mirror_from_the_environment(tiny, get, server, tmp_path, monkeypatch):
    monkeypatch.setenv("FFREPRO_MIRROR", str(make_mirror(tmp_path / "mirror")))
    assert record_of(get())["from"] == "mirror"
    assert server.log == []


def test_mirror_url(tiny, get, server, tmp_path):
    for file in make_mirror(tmp_path / "mirror").iterdir():
        server.files[f"pub/{file.name}"] = file.read_bytes()
    server.cut_after = [None, None, 1000]  # the sums and the provenance arrive, the archive is cut once
    path = get(mirror=f"{server.url}/pub/")
    assert path.read_bytes() == CONTENT
    record = record_of(path)
    assert (record["from"], record["location"]) == ("mirror", f"mirror/{FILE}")
    assert record["provenance"] == "every second byte is upstream's"
    assert server.url not in json.dumps(record)
    assert (f"pub/{FILE}", "bytes=1000-", 511_000) in server.log
    assert in_raw(tmp_path) == [FILE, FILE + ".json"]


@pytest.mark.parametrize("kind", ["folder", "url"])
def test_a_mirror_without_the_file_is_said_and_upstream_used(tiny, get, server, tmp_path, kind):
    (tmp_path / "mirror").mkdir()
    server.files["pub/SHA256SUMS"] = f"{'0' * 64}  another.zip\n".encode()
    path = get(mirror=tmp_path / "mirror" if kind == "folder" else f"{server.url}/pub")
    assert record_of(path)["from"] == "upstream"
    assert any(f"{FILE} is not in the mirror" in line and "upstream" in line for line in get.said)


def test_a_file_that_the_mirror_only_lists(tiny, get, server, tmp_path):
    mirror = make_mirror(tmp_path / "mirror")
    (mirror / FILE).unlink()
    assert record_of(get(mirror=mirror))["from"] == "upstream"
    assert any("is in the SHA256SUMS of the mirror" in line and "not on it" in line for line in get.said)


@pytest.mark.parametrize("kind", ["folder", "url"])
def test_a_mirror_with_another_content_is_refused(tiny, get, server, tmp_path, kind):
    mirror = make_mirror(tmp_path / "mirror", content=OTHER)
    for file in mirror.iterdir():
        server.files[f"pub/{file.name}"] = file.read_bytes()
    with pytest.raises(FfreproError, match="checksum mismatch") as error:
        get(mirror=mirror if kind == "folder" else f"{server.url}/pub")
    assert "SHA256SUMS" in error.value.fix
    assert (FILE, None, len(CONTENT)) not in server.log  # no silent way round through upstream
    assert in_raw(tmp_path) == []


def test_a_mirror_without_sums_is_refused(tiny, get, tmp_path):
    mirror = make_mirror(tmp_path / "mirror")
    (mirror / "SHA256SUMS").unlink()
    with pytest.raises(FfreproError, match="no SHA256SUMS") as error:
        get(mirror=mirror)
    assert f"sha256sum '{FILE}' >> SHA256SUMS" in error.value.fix


def test_a_mirror_that_does_not_list_its_file_is_refused(tiny, get, tmp_path):
    mirror = make_mirror(tmp_path / "mirror")
    (mirror / "SHA256SUMS").write_text(f"{'0' * 64}  another.zip\n")
    with pytest.raises(FfreproError, match=f"no checksum for {FILE}"):
        get(mirror=mirror)


def test_a_mirror_without_provenance_says_so_in_the_record(tiny, get, tmp_path):
    mirror = make_mirror(tmp_path / "mirror")
    (mirror / "PROVENANCE.json").unlink()
    assert "does not say whether it differs" in record_of(get(mirror=mirror))["provenance"]


def test_a_mirror_that_is_not_there(tiny, get, tmp_path):
    with pytest.raises(FfreproError, match="not a folder") as error:
        get(mirror=tmp_path / "nowhere")
    assert "FFREPRO_MIRROR" in error.value.fix


def test_unknown_archive_and_source(get):
    with pytest.raises(FfreproError, match=r"unknown archive 'trajectory'[\s\S]*Did you mean 'trajectories'\?"):
        get("trajectory")
    with pytest.raises(FfreproError, match=r"unknown source 'standins'[\s\S]*Did you mean 'standin'\?"):
        get("trajectories", source="standins")


def test_standin_is_recorded_as_such_and_kept_when_equal(get, tmp_path):
    path = get("trajectories", source="standin")
    assert path.parent == tmp_path / "raw" / "standin"
    record = record_of(path)
    assert (record["source"], record["from"], record["fetched"]) == ("standin", "standin", None)
    assert record["provenance"] == "stand-in, generated by ffrepro, not real data"
    assert record["sha256"] == files.sha256_file(path)
    os.utime(path, (1e9, 1e9))
    assert get("trajectories", source="standin").stat().st_mtime == 1e9
    path.write_bytes(b"damaged")
    assert files.sha256_file(get("trajectories", source="standin")) == record["sha256"]


PAGE = b"<!DOCTYPE html><html><body>This bucket has moved</body></html>"


@pytest.mark.parametrize("wrong", [PAGE, OTHER, CONTENT[:-1], b""])
def test_wrong_content_from_the_first_address_leads_to_the_second(tiny, get, server, wrong):
    server.files["first"] = wrong or b"?"
    tiny(sha256=files.sha256_bytes(CONTENT), urls=(f"{server.url}/first", f"{server.url}/{FILE}"))
    path = get()
    assert path.read_bytes() == CONTENT
    assert record_of(path)["location"] == f"{server.url}/{FILE}"
    assert server.log[-1] == (FILE, None, len(CONTENT))  # nothing of the first is gone on from


@pytest.mark.parametrize("cut", [None, 40])
def test_without_checksum_an_archive_is_read_to_its_end(server, get, monkeypatch, tmp_path, cut):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("a")
        info.size = 100_000
        tar.addfile(info, io.BytesIO(bytes(100_000)))
    whole = packed.getvalue()
    server.files["first"] = PAGE if cut is None else whole[:cut]
    server.files["second"] = whole
    urls = (f"{server.url}/first", f"{server.url}/second")
    entry = archives.Archive("tiny", "tiny.tar.gz", urls, None, "none", ("pair",), "standin")
    monkeypatch.setitem(archives.ARCHIVES, "tiny", entry)
    assert record_of(get())["location"] == f"{server.url}/second"


def test_a_page_in_place_of_the_only_address(tiny, get, server, tmp_path):
    server.files[FILE] = PAGE
    with pytest.raises(FfreproError, match="HTML") as error:
        get()
    assert error.value.where == f"{server.url}/{FILE}"
    assert in_raw(tmp_path) == []


@pytest.mark.parametrize("record", [b"[]", b"{", b'{"sha256": 3}', b'{"sha256": "%s"}', b"\xff\xfe"])
def test_a_spoilt_record_is_not_trusted(tiny, get, server, record):
    path = get()
    content = record.replace(b"%s", files.sha256_bytes(CONTENT).encode())
    path.with_name(path.name + ".json").write_bytes(content)
    get()
    assert record_of(path)["from"] == "upstream" and len(server.log) == 2


def test_a_second_fetch_waits_and_finds_the_file(tiny, get, server, tmp_path):
    """The lock is held by this test until the second fetch says that it waits; the file is there by then."""
    path = get()
    waits = threading.Event()
    second = threading.Thread(
        target=fetch, args=("tiny", "upstream", tmp_path / "raw"), kwargs={"say": lambda line: waits.set()}
    )
    with locked(path.with_name(f".{FILE}.lock")):
        second.start()
        assert waits.wait(10)
    second.join(10)
    assert not second.is_alive() and len(server.log) == 1


def fetch_once(url, raw, results):
    """One of several processes."""
    archives.ARCHIVES["tiny"] = archives.Archive("tiny", FILE, (url,), None, "none", ("pair",), "standin")
    said = []
    path = fetch("tiny", "upstream", raw, patience=Patience(1, timeout=20, backoff=0), say=said.append)
    results.put((files.sha256_file(path), said))


def test_processes_that_fetch_one_file_make_one_download(server, tmp_path):
    server.files[FILE] = CONTENT
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    args = (f"{server.url}/{FILE}", tmp_path / "raw", results)
    workers = [context.Process(target=fetch_once, args=args) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(10)
    assert {digest for digest, _ in found} == {files.sha256_bytes(CONTENT)}
    assert len(server.log) == 1
    assert in_raw(tmp_path) == [FILE, FILE + ".json"]
