"""The `utils` door, its helpers for graphs, and the download of weights from our own server."""

import http.server
import subprocess
import sys
import threading

import numpy as np
import pytest
from checkout import ROOT

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


def test_utils_does_not_import_keras():
    code = "import sys; from mrcnn import utils; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_batch_slice_of_arrays_and_of_a_graph():
    import keras

    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    doubled = utils.batch_slice(x, lambda row: 2 * row, 3)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(doubled), 2 * x)
    # What scripts use it for: picking rows by other indices in each sample.
    scores = keras.Input(batch_shape=(3, 4))
    chosen = keras.Input(batch_shape=(3, 2), dtype="int32")
    picked = utils.batch_slice(
        [scores, chosen], lambda s, i: (keras.ops.take(s, i), i), 3, names=["scores", "places"]
    )
    indices = np.array([[3, 0], [1, 1], [0, 2]])
    found = keras.Model([scores, chosen], picked).predict_on_batch([x, indices])
    np.testing.assert_array_equal(found[0], np.take_along_axis(x, indices, axis=1))
    np.testing.assert_array_equal(found[1], indices)


def test_box_refinement_graph_is_box_refinement():
    import keras

    boxes = np.array([[0, 0, 10, 20], [5, 5, 9, 9]])
    goals = np.array([[1, 2, 12, 18], [5, 5, 9, 9]])
    found = keras.ops.convert_to_numpy(utils.box_refinement_graph(boxes, goals))
    np.testing.assert_allclose(found, utils.box_refinement(boxes, goals), atol=1e-6)
    assert found.dtype == np.float32


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
