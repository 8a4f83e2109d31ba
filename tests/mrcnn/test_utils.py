"""The `utils` door, and the download of weights from a server of our own."""

import http.server
import threading

import pytest

from mrcnn import download, utils

# What scripts written against matterport's API take from `utils`.
PUBLIC_NAMES = [
    "extract_bboxes",
    "compute_iou",
    "compute_overlaps",
    "compute_overlaps_masks",
    "non_max_suppression",
    "apply_box_deltas",
    "box_refinement",
    "Dataset",
    "resize_image",
    "resize_mask",
    "minimize_mask",
    "expand_mask",
    "unmold_mask",
    "generate_anchors",
    "generate_pyramid_anchors",
    "trim_zeros",
    "compute_matches",
    "compute_ap",
    "compute_ap_range",
    "compute_recall",
    "download_trained_weights",
    "norm_boxes",
    "denorm_boxes",
    "resize",
    "COCO_MODEL_URL",
]


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_utils_has(name):
    assert hasattr(utils, name)
    assert name in utils.__all__


def test_everything_promised_is_there():
    assert sorted(utils.__all__) == sorted(set(utils.__all__))
    missing = [name for name in utils.__all__ if not hasattr(utils, name)]
    assert missing == []


WEIGHTS = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 5000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/lost":
            self.send_error(404)
            return
        content = b"<html>sign in</html>" if self.path == "/page" else WEIGHTS
        self.send_response(200)
        if self.path != "/sizeless":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:1000] if self.path == "/short" else content)

    def log_message(self, *args):
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("page", ["/whole", "/sizeless"])
def test_download_puts_the_whole_file_in_place(server, tmp_path, capsys, page):
    path = tmp_path / "新 folder" / "mask_rcnn_coco.h5"
    download.download_trained_weights(path, url=server + page)
    assert path.read_bytes() == WEIGHTS
    assert [entry.name for entry in path.parent.iterdir()] == ["mask_rcnn_coco.h5"]
    assert "mask_rcnn_coco.h5" in capsys.readouterr().out


@pytest.mark.parametrize(
    "page, words",
    [("/short", "1000 of"), ("/page", "no weights file"), ("/lost", "404")],
)
def test_a_failed_download_leaves_the_old_file_alone(server, tmp_path, capsys, page, words):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"old")
    with pytest.raises(ConnectionError, match=words):
        download.download_trained_weights(str(path), verbose=0, url=server + page)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.h5"]
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_server_that_is_not_there(tmp_path):
    with pytest.raises(ConnectionError, match="by hand"):
        download.download_trained_weights(tmp_path / "w.h5", 0, url="http://127.0.0.1:9/w.h5")
    assert list(tmp_path.iterdir()) == []
