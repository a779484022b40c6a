"""Downloads, from a server of the tests' own that cuts connections, knows no ranges, or serves something else."""

import hashlib
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from omegaconf import OmegaConf
from typer.testing import CliRunner

from canids.catalogue.download import Expected, download
from canids.catalogue.fetch import fetch
from canids.cli import app
from canids.errors import CanidsError, ConfigError, FetchError
from canids.progress import transfer
from canids.schema import Dataset

CONTENT = bytes(hashlib.sha256(b"%d" % n).digest()[0] for n in range(300_000))
NO_PAUSES = (0.0,) * 5


class Server(ThreadingHTTPServer):
    """Serves ``content`` at every path.

    Attributes:
        cut: bytes of the body after which each of the next requests' connection ends.
        refuse: status codes of the next requests.
        ranges: whether it knows ranges.
        slow: seconds between two pieces of 10,000 bytes.
        requests: the Range header of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag, self.ranges, self.slow = CONTENT, '"one"', True, 0.0
        self.cut, self.refuse, self.requests = [], [], []

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.zip"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        server: Server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if server.refuse:
            self.send_response(server.refuse.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = 0
        if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
        body = server.content[first:]
        if first >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        if first:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.tag)
        self.end_headers()
        cut = server.cut.pop(0) if server.cut else None
        for start in range(0, len(body[:cut]), 10_000):
            self.wfile.write(body[:cut][start : start + 10_000])
            time.sleep(server.slow)
        self.close_connection = cut is not None


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def expected(content: bytes = CONTENT, size: int | None = None) -> Expected:
    return Expected(len(content) if size is None else size, hashlib.sha256(content).hexdigest(), None)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "downloads" / "data.zip"


class TestDownload:
    def test_a_file_arrives_whole(self, server, target):
        download(server.url, target, expected(), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT

    def test_nothing_else_is_left(self, server, target):
        server.cut = [100_000]
        download(server.url, target, expected(), pauses=NO_PAUSES)
        assert [path.name for path in target.parent.iterdir() if path.suffix != ".lock"] == ["data.zip"]

    def test_a_cut_connection_goes_on_where_it_stopped(self, server, target):
        server.cut = [100_000, 50_000]
        download(server.url, target, expected(), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT
        assert server.requests == [None, "bytes=100000-", "bytes=150000-"]

    def test_the_next_call_goes_on_where_the_last_one_gave_up(self, server, target):
        server.cut, server.refuse = [100_000], []
        with pytest.raises(FetchError, match=r"1 times without progress; 100,000 bytes have arrived"):
            download(server.url, target, expected(), pauses=())
        assert not target.exists()
        download(server.url, target, expected(), pauses=())
        assert target.read_bytes() == CONTENT
        assert server.requests[1] == "bytes=100000-"

    def test_a_killed_process_leaves_what_the_next_call_goes_on_from(self, server, target):
        server.slow = 0.05
        command = (
            "from pathlib import Path; from canids.catalogue.download import Expected, download;"
            f"download({server.url!r}, Path({str(target)!r}), Expected(0, {'0' * 64!r}, None))"
        )
        process = subprocess.Popen([sys.executable, "-c", command])
        part = target.with_name("data.zip.part")
        until = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 50_000) and time.monotonic() < until:
            time.sleep(0.01)
        process.kill()
        process.wait()
        arrived, server.slow = part.stat().st_size, 0.0
        assert 50_000 < arrived < len(CONTENT)
        download(server.url, target, expected(), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT
        assert server.requests[1] == f"bytes={arrived}-"

    def test_a_server_that_knows_no_ranges_sends_all_of_it_again(self, server, target):
        server.cut, server.ranges = [100_000], False
        download(server.url, target, expected(), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT

    def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(self, server, target):
        server.cut = [100_000]
        with pytest.raises(FetchError):
            download(server.url, target, expected(), pauses=())
        server.content, server.tag = CONTENT[::-1], '"two"'
        download(server.url, target, expected(CONTENT[::-1]), pauses=())
        assert target.read_bytes() == CONTENT[::-1]

    def test_a_rest_that_the_server_does_not_have_is_asked_for_anew(self, server, target):
        server.cut = [100_000]
        with pytest.raises(FetchError):
            download(server.url, target, expected(size=0), pauses=())
        server.content = CONTENT[:90_000]
        download(server.url, target, expected(CONTENT[:90_000], size=0), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT[:90_000]

    def test_a_file_that_is_there_is_not_asked_for(self, server, target):
        for _ in range(2):
            download(server.url, target, expected(), pauses=NO_PAUSES)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_passing_troubles_of_the_server_are_waited_for(self, server, target, status):
        server.refuse = [status, status]
        download(server.url, target, expected(), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_a_refusal_is_final_and_named(self, server, target, status):
        server.refuse = [status]
        with pytest.raises(FetchError, match=f"data.zip: the server answers {status}"):
            download(server.url, target, expected(), pauses=NO_PAUSES)
        assert len(server.requests) == 1

    def test_tries_without_progress_come_to_an_end(self, server, target):
        server.refuse = [503] * 9
        with pytest.raises(FetchError, match="answers 503 Service Unavailable, 3 times without progress"):
            download(server.url, target, expected(), pauses=NO_PAUSES[:2])

    def test_tries_with_progress_do_not_count(self, server, target):
        server.cut = [20_000] * 8
        download(server.url, target, expected(), pauses=NO_PAUSES[:1])
        assert target.read_bytes() == CONTENT

    def test_no_server_at_all_is_named(self, target):
        with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:9/x: .*2 times without progress; 0 bytes"):
            download("http://127.0.0.1:9/x", target, expected(), pauses=NO_PAUSES[:1])

    def test_a_file_that_another_process_downloads_is_left_to_it(self, server, target):
        target.parent.mkdir()
        with FileLock(f"{target}.lock"), pytest.raises(FetchError, match="another process is downloading it"):
            download(server.url, target, expected(), pauses=NO_PAUSES)

    def test_progress_is_reported(self, server, target):
        reports = []
        server.cut = [100_000]
        download(server.url, target, expected(), lambda *told: reports.append(told), NO_PAUSES)
        assert reports[-1] == (len(CONTENT), len(CONTENT))
        assert [done for done, _ in reports] == sorted(done for done, _ in reports)


class TestChecks:
    def test_another_content_is_not_put_in_place(self, server, target):
        wrong = Expected(len(CONTENT), "0" * 64, None)
        with pytest.raises(
            FetchError, match=f"not the file expected: sha256 [0-9a-f]{{64}}, where {'0' * 64} is known"
        ):
            download(server.url, target, wrong, pauses=NO_PAUSES)
        assert [path for path in target.parent.iterdir() if path.suffix != ".lock"] == []

    def test_a_publishers_md5_serves_where_no_other_is_known(self, server, target):
        with pytest.raises(FetchError, match="md5"):
            download(server.url, target, Expected(0, None, "0" * 32), pauses=NO_PAUSES)
        download(server.url, target, Expected(0, None, hashlib.md5(CONTENT).hexdigest()), pauses=NO_PAUSES)
        assert target.read_bytes() == CONTENT

    def test_a_file_of_another_size_is_refused_before_it_is_loaded(self, server, target):
        with pytest.raises(FetchError, match="300,000 bytes, where 299,999 are expected"):
            download(server.url, target, expected(size=299_999), pauses=NO_PAUSES)

    def test_a_file_of_ones_own_in_its_place_is_named_and_kept(self, server, target):
        target.parent.mkdir()
        target.write_text("mine")
        with pytest.raises(FetchError, match=f"delete {target}"):
            download(server.url, target, expected(), pauses=NO_PAUSES)
        assert target.read_text() == "mine"


def zipped(content: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return packed.getvalue()


class TestDataset:
    @pytest.fixture
    def dataset(self, server, tmp_path):
        server.content = zipped({"made-up/train/a.csv": "1", "made-up/test/b.csv": "2"})
        return OmegaConf.merge(
            OmegaConf.structured(Dataset),
            {
                "name": "made-up",
                "source": "the moon",
                "obtain": "fly there",
                "folder": str(tmp_path / "made-up"),
                "expected": {"train": ["a"], "test": ["b"]},
                "train": ["train"],
                "test": ["test"],
                "files": {
                    "data.zip": {
                        "url": server.url,
                        "sha256": hashlib.sha256(server.content).hexdigest(),
                        "unpack": "made-up",
                    }
                },
            },
        )

    def test_it_lands_in_its_folder(self, dataset, tmp_path):
        folder = fetch(dataset, tmp_path, NO_PAUSES)
        assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.csv")) == ["test/b.csv", "train/a.csv"]

    def test_one_that_is_complete_is_left_alone(self, dataset, tmp_path, server):
        fetch(dataset, tmp_path, NO_PAUSES)
        fetch(dataset, tmp_path, NO_PAUSES)
        assert len(server.requests) == 1

    def test_one_of_which_a_file_went_missing_is_unpacked_again_without_a_download(self, dataset, tmp_path, server):
        folder = fetch(dataset, tmp_path, NO_PAUSES)
        (folder / "train/a.csv").unlink()
        fetch(dataset, tmp_path, NO_PAUSES)
        assert (folder / "train/a.csv").read_text() == "1"
        assert len(server.requests) == 1

    def test_a_plain_file_is_put_there_as_it_is(self, dataset, tmp_path, server):
        dataset.files["data.zip"].unpack = None
        assert (fetch(dataset, tmp_path, NO_PAUSES) / "data.zip").read_bytes() == server.content

    def test_an_archive_that_would_write_elsewhere_leaves_nothing(self, dataset, tmp_path, server):
        server.content = zipped({"made-up/train/a.csv": "1", "made-up/../../evil": "2"})
        dataset.files["data.zip"].sha256 = hashlib.sha256(server.content).hexdigest()
        with pytest.raises(FetchError, match="leads out of the folder"):
            fetch(dataset, tmp_path, NO_PAUSES)
        assert not list(tmp_path.rglob("evil"))
        assert not (tmp_path / "made-up").exists()

    def test_without_a_link_one_message_says_where_from_how_and_whereto(self, dataset, tmp_path):
        dataset.files = {}
        with pytest.raises(FetchError) as caught:
            fetch(dataset, tmp_path, NO_PAUSES)
        for words in ("no direct link", "the moon", "fly there", str(tmp_path / "made-up")):
            assert words in str(caught.value)

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("url", "file:///etc/passwd", "dataset.files.data.zip.url: given 'file:///etc/passwd', allowed: a link"),
            ("sha256", None, "dataset.files.data.zip: given no checksum"),
        ],
    )
    def test_a_file_that_is_described_badly_is_named(self, dataset, tmp_path, key, value, words):
        dataset.files["data.zip"][key] = value
        with pytest.raises(ConfigError) as caught:
            fetch(dataset, tmp_path, NO_PAUSES)
        assert str(caught.value).startswith(words)

    def test_a_name_that_is_a_path_is_refused(self, dataset, tmp_path):
        dataset.files = {"../evil.zip": dataset.files["data.zip"]}
        with pytest.raises(CanidsError, match="allowed: the name of a file"):
            fetch(dataset, tmp_path, NO_PAUSES)


def test_elsewhere_than_on_a_terminal_progress_is_at_most_ten_log_lines(caplog):
    caplog.set_level("INFO")
    with transfer("data.zip") as report:
        for done in range(0, 1_000_001, 500):
            report(done, 1_000_000)
    assert [record.message for record in caplog.records][-1] == "data.zip: 1.0 of 1.0 MB"
    assert len(caplog.records) == 10


@pytest.mark.usefixtures("own_logging")
class TestCommand:
    @pytest.fixture
    def config(self, server, tmp_path) -> Path:
        """A configuration with a dataset that can be fetched and one that cannot."""
        server.content = zipped({"train/a.csv": "1", "test/b.csv": "2"})
        remote = {"url": server.url, "sha256": hashlib.sha256(server.content).hexdigest(), "unpack": ""}
        own = {"train": ["train"], "test": ["test"], "source": "the moon", "vehicles": {"any": "*"}}
        own["expected"] = {"train": ["a"], "test": ["b"]}
        files = {
            "config.yaml": {"data_root": str(tmp_path / "data")},
            "datasets/one.yaml": {**own, "folder": "${data_root}/one", "files": {"data.zip": remote}},
            "datasets/two.yaml": {**own, "folder": "${data_root}/two"},
        }
        for name, content in files.items():
            path = tmp_path / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content))
        return tmp_path / "config"

    def run(self, config: Path, *words: str):
        return CliRunner().invoke(app, [*words, "--config-folder", str(config)])

    def states(self, config: Path) -> dict[str, str]:
        lines = self.run(config, "datasets", "--json").stdout.splitlines()
        return {each["name"]: each["state"] for each in map(json.loads, lines)}

    def test_a_fetched_dataset_is_complete(self, config, tmp_path):
        assert self.states(config) == {"one": "absent", "two": "absent"}
        done = self.run(config, "fetch", "one")
        assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "data/one"))
        assert self.states(config) == {"one": "complete", "two": "absent"}

    def test_what_went_missing_is_named(self, config, tmp_path):
        self.run(config, "fetch", "one")
        (tmp_path / "data/one/test/b.csv").unlink()
        assert "  test: b" in self.run(config, "datasets").stdout.splitlines()

    def test_a_dataset_without_a_link_ends_with_code_2(self, config):
        done = self.run(config, "fetch", "two")
        assert done.exit_code == 2
        assert "dataset 'two' has no direct link; it comes from the moon" in " ".join(done.stderr.split())
