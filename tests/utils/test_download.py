"""Downloads against a local server: interrupted, damaged, refused, at the same time, offline."""

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.utils.server import Behaviour, serving

from zipseg.utils import download
from zipseg.utils.download import DownloadError, RemoteFile, cache_folder, fetch, is_complete

CONTENT = random.Random(0).randbytes(700_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0.01)


def remote(url: str, **changes) -> RemoteFile:
    known = {"name": "weights.pth", "url": url, "size": len(CONTENT), "sha256": SUM}
    return RemoteFile(**known | changes)


def left(folder: Path) -> list[str]:
    """Everything in the folder but the lock."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_downloaded_once(tmp_path):
    served = Behaviour(CONTENT)
    with serving(served) as url:
        path = fetch(remote(url), tmp_path / "new" / "folder")
        assert path.read_bytes() == CONTENT
        assert fetch(remote(url), tmp_path / "new" / "folder") == path
    assert served.requests == [None]
    assert left(path.parent) == ["weights.pth"]


def test_a_broken_connection_is_gone_on_with(tmp_path):
    served = Behaviour(CONTENT, cuts=[100_000, 300_000, 10])
    with serving(served) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT
    assert served.requests == [None, "bytes=100000-", "bytes=400000-", "bytes=400010-"]
    assert served.sent == len(CONTENT)


def test_a_later_start_goes_on_with_what_is_there(tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:123_456])
    served = Behaviour(CONTENT)
    with serving(served) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT
    assert served.requests == ["bytes=123456-"]


def test_a_server_without_ranges_sends_all_again(tmp_path):
    served = Behaviour(CONTENT, ranges=False, cuts=[100_000])
    with serving(served) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT
    assert served.requests == [None, "bytes=100000-"]


def test_a_server_that_keeps_breaking_off_is_given_up(tmp_path):
    with (
        serving(Behaviour(CONTENT, cuts=[200_000, *[0] * 50])) as url,
        pytest.raises(DownloadError, match=r"broke off 5 times .*0\.2 MB are there"),
    ):
        fetch(remote(url), tmp_path)
    assert left(tmp_path) == ["weights.pth.part"]


def test_errors_of_a_busy_server_are_waited_out(tmp_path):
    with serving(Behaviour(CONTENT, statuses=[503, 429, 500])) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT


def test_a_missing_file_is_an_error_at_once(tmp_path):
    served = Behaviour(CONTENT, statuses=[404])
    with serving(served) as url, pytest.raises(DownloadError, match="answers 404 Not Found"):
        fetch(remote(url), tmp_path)
    assert len(served.requests) == 1


def test_wrong_bytes_are_never_given_the_name(tmp_path):
    wrong = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with serving(Behaviour(wrong)) as url, pytest.raises(DownloadError, match="its SHA-256 is not"):
        fetch(remote(url), tmp_path)
    assert left(tmp_path) == []


def test_another_length_is_seen_before_anything_is_read(tmp_path):
    page = b"<html>Please log in to this network</html>"
    served = Behaviour(page)
    with serving(served) as url, pytest.raises(DownloadError, match=r"has 42 bytes, not 700,000"):
        fetch(remote(url), tmp_path)
    assert left(tmp_path) == []


def test_a_damaged_beginning_is_thrown_away_and_fetched_again(tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(b"?" * 1000)
    served = Behaviour(CONTENT)
    with serving(served) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT
    assert served.requests == ["bytes=1000-", None]


def test_a_beginning_longer_than_the_file_is_thrown_away(tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(b"?" * (len(CONTENT) + 1))
    with serving(Behaviour(CONTENT)) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT


def test_a_file_of_another_size_is_replaced(tmp_path):
    (tmp_path / "weights.pth").write_bytes(CONTENT[:-1])
    with serving(Behaviour(CONTENT)) as url:
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT


def test_only_the_checksum_tells_a_changed_byte(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(bytes(len(CONTENT)))
    assert is_complete(remote("http://nowhere"), path)
    assert not is_complete(remote("http://nowhere"), path, checksum=True)


def test_without_size_and_checksum_the_servers_length_counts(tmp_path):
    with serving(Behaviour(CONTENT, cuts=[1000])) as url:
        path = fetch(remote(url, size=None, sha256=None), tmp_path)
    assert path.read_bytes() == CONTENT


def test_without_network_one_line_comes_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda _: pytest.fail("it waits to try again"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"
        with pytest.raises(DownloadError, match="cannot be reached") as caught:
            fetch(remote(url), tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_no_web_address_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="neither an http nor an https address"):
        fetch(remote("file:///etc/passwd"), tmp_path)


def test_no_room_is_said_before_the_disk_is_full(tmp_path, monkeypatch):
    usage = type(download.shutil.disk_usage(tmp_path))
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with (
        serving(Behaviour(CONTENT)) as url,
        pytest.raises(DownloadError, match="has room for 0 MB"),
    ):
        fetch(remote(url), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="file/weights cannot be written"):
        fetch(remote("http://127.0.0.1:9/weights.pth"), tmp_path / "file" / "weights")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("ZIPSEG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("weights") == tmp_path / "zipseg" / "weights"
    monkeypatch.setenv("ZIPSEG_CACHE", str(tmp_path / "own"))
    assert cache_folder("weights") == tmp_path / "own" / "weights"


FETCH = f"""
import sys
from pathlib import Path
from zipseg.utils.download import RemoteFile, fetch
print(fetch(RemoteFile("weights.pth", sys.argv[1], {len(CONTENT)}, "{SUM}"), Path(sys.argv[2])))
"""


def started(url: str, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", FETCH, url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_one_downloads_and_both_have_the_file(tmp_path):
    served = Behaviour(CONTENT, pause=0.1)
    with serving(served) as url:
        both = [started(url, tmp_path) for _ in range(2)]
        ends = [process.communicate(timeout=120) for process in both]
    assert [out.strip() for out, _ in ends] == [str(tmp_path / "weights.pth")] * 2
    assert served.requests == [None]
    assert served.sent == len(CONTENT)


def test_another_process_goes_on_where_a_killed_one_was(tmp_path):
    served, part = Behaviour(CONTENT, pause=0.2), tmp_path / "weights.pth.part"
    with serving(served) as url:
        first = started(url, tmp_path)
        while not part.exists() or not part.stat().st_size:
            assert first.poll() is None
            time.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        have = part.stat().st_size
        served.pause = 0.0
        assert fetch(remote(url), tmp_path).read_bytes() == CONTENT
    assert 0 < have < len(CONTENT)
    assert served.requests == [None, f"bytes={have}-"]
