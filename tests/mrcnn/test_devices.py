"""What the machine can do, asked without guessing."""

import subprocess
import sys

import keras
import pytest

from mrcnn import devices


@pytest.fixture(autouse=True)
def fresh():
    devices.has_accelerator.cache_clear()
    yield
    devices.has_accelerator.cache_clear()


def test_backend_is_the_one_that_runs():
    assert devices.backend() == keras.backend.backend()


def test_backend_is_found_in_keras_own_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert devices.backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "torch"}', encoding="utf-8")
    assert devices.backend() == "torch"
    (tmp_path / "keras.json").write_text("[1]", encoding="utf-8")
    assert devices.backend() == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert devices.backend() == "jax"


def test_device_in_words():
    words = devices.device_name()
    assert devices.backend() in words
    assert ("graphics card" if devices.has_accelerator() else "no graphics card") in words


@pytest.mark.parametrize(
    ("flags", "answer"),
    [("flags: avx512f avx512_bf16", True), ("flags: amx_bf16", True), ("flags: avx2", False)],
)
def test_bfloat16_of_the_processor(monkeypatch, tmp_path, flags, answer):
    info = tmp_path / "cpuinfo"
    info.write_text(flags, encoding="utf-8")
    monkeypatch.setattr(devices, "Path", lambda _: info)
    monkeypatch.setattr(devices.platform, "system", lambda: "Linux")
    assert devices.cpu_has_bfloat16() is answer
    monkeypatch.setattr(devices.platform, "system", lambda: "Windows")
    assert devices.cpu_has_bfloat16() is False


@pytest.mark.parametrize("card", [True, False])
@pytest.mark.parametrize("bfloat16", [True, False])
def test_best_dtype(monkeypatch, card, bfloat16):
    monkeypatch.setattr(devices, "has_accelerator", lambda: card)
    monkeypatch.setattr(devices, "_card_has_bfloat16", lambda: card and bfloat16)
    monkeypatch.setattr(devices, "cpu_has_bfloat16", lambda: not card and bfloat16)
    assert devices.best_dtype() == ("mixed_bfloat16" if bfloat16 else "float32")


def test_asking_for_the_backend_imports_none():
    code = "import sys; from mrcnn import devices; devices.backend(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"keras", "tensorflow", "torch", "jax"} & set(loaded)


def test_a_card_that_is_not_used_is_told(monkeypatch, tmp_path):
    driver = tmp_path / "version"
    monkeypatch.setattr(devices, "DRIVERS", (str(tmp_path / "none"), str(driver)))
    monkeypatch.setattr(devices, "has_accelerator", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.unused_card() is None
    driver.write_text("NVRM", encoding="utf-8")
    assert "uses no graphics card: docs/graphics_card.md" in devices.unused_card()
    for off in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", off)
        assert devices.unused_card() is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(devices, "has_accelerator", lambda: True)
    assert devices.unused_card() is None
