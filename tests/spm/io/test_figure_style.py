"""The one style of all figures: any class name, no trace in matplotlib's settings."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from spm.io.figure_style import figure_style, look_for_new_fonts, new_figure, save_figure
from spm.run.language import current_language, written_in


@pytest.mark.parametrize("name", ["苯并芘", "a$b", "a$b$c", "$", r"\frac", "x_1^2"])
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_any_class_name_is_drawn_as_it_is_written(tmp_path, name, suffix):
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with figure_style({"font.size": 12}):
            figure = new_figure(3, 2, dpi=50)
            axes = figure.add_subplot()
            axes.plot([0, 1], label=name)
            axes.set_title(name)
            axes.set_xticks([0, 1], [name, name])
            legend = axes.legend()
        path = save_figure(figure, tmp_path / f"{name.strip(chr(92))}{suffix}")
    assert dict(matplotlib.rcParams) == before
    assert path.stat().st_size > 500
    texts = [axes.title, *axes.get_xticklabels(), *legend.get_texts()]
    assert [text.get_text() for text in texts] == [name] * 4
    assert not any(text.get_parse_math() for text in texts)
    assert axes.title.get_fontsize() == pytest.approx(14.4)  # "large" of 12


def test_the_same_figure_gives_the_same_file(tmp_path):
    for k in range(2):
        with figure_style():
            figure = new_figure(2, 2)
            figure.add_subplot().plot([0, 1])
        save_figure(figure, tmp_path / f"{k}.svg")
    assert (tmp_path / "0.svg").read_bytes() == (tmp_path / "1.svg").read_bytes()


def test_a_png_is_what_matplotlib_saves_in_its_size(tmp_path):
    with figure_style():
        figure = new_figure(2.5, 2, dpi=120)
        figure.add_subplot().plot([0, 3, 1], label="a")
        figure.axes[0].legend()
        figure.savefig(tmp_path / "matplotlib.png", dpi=120)
    with Image.open(save_figure(figure, tmp_path / "ours.png")) as ours:
        assert ours.size == (300, 240)
        assert ours.info["dpi"] == pytest.approx((120, 120), abs=0.1)
        with Image.open(tmp_path / "matplotlib.png") as theirs:
            assert (np.asarray(ours) == np.asarray(theirs.convert("RGB"))).all()


def test_a_font_with_chinese_letters_is_taken_where_there_is_one(monkeypatch):
    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["DejaVu Sans", "SimHei"])
    with figure_style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "SimHei"]


def test_a_font_installed_since_is_found(tmp_path, monkeypatch):
    """matplotlib keeps the list of fonts that it once made; only a Chinese run looks again."""
    source = font_manager.findfont("DejaVu Sans")
    added = []
    monkeypatch.setattr(
        font_manager, "findSystemFonts", lambda: [str(tmp_path / "new.ttc"), source]
    )

    def add(path):
        added.append(path)
        monkeypatch.setattr(font_manager, "get_font_names", lambda: ["DejaVu Sans", "SimHei"])

    monkeypatch.setattr(font_manager, "get_font_names", lambda: ["DejaVu Sans"])
    monkeypatch.setattr(font_manager.fontManager, "addfont", add)
    look_for_new_fonts.cache_clear()
    with figure_style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"] and not added
    with written_in("zh"), figure_style():
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "SimHei"]
        assert current_language() == "zh"
    assert added == [str(tmp_path / "new.ttc")], "known files are not read again"
    look_for_new_fonts.cache_clear()
