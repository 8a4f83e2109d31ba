"""What a user does in labelme's window, from the environment variable LABELME_STEPS.

["rename", k, label]    choose outline k, Ctrl+E, click the label in the list, OK
["tick", flag]          tick a flag of the image
["draw", points, label] Ctrl+N, click the corners in image pixels, choose the label, OK
["shot", file]          save an image of the window
"""

import json
import os
import sys
from pathlib import Path

from PyQt5 import QtCore, QtTest, QtWidgets
from PyQt5.QtCore import Qt

WAIT = 300  # milliseconds until a window is there


def drive(window_class):
    show = window_class.show

    def shown(window):
        show(window)
        QtCore.QTimer.singleShot(WAIT, lambda: _play(window))

    window_class.show = shown


def _play(window):
    asked = json.loads(os.environ["LABELME_STEPS"])
    labels, flags = window._docks.unique_label_list, window._docks.flag_list
    shapes = window._canvas_widgets.canvas.shapes
    told = {
        "labels": [labels.item(k).data(Qt.UserRole) for k in range(labels.count())],
        "flags": [flags.item(k).text() for k in range(flags.count())],
        "shapes": [shape.label for shape in shapes],
        "colours": [shape.line_color.getRgb()[:3] for shape in shapes],
        "opencv": bool(sys.modules.get("cv2")),
    }
    try:
        for name, *values in asked["steps"]:
            STEPS[name](window, *values)
        told["saved"] = window._label_file_path
    finally:
        Path(asked["told"]).write_text(json.dumps(told), encoding="utf-8")
        QtWidgets.QApplication.instance().exit(0)


def _rename(window, number, label):
    listed = window._docks.label_list
    listed.select_item(listed[number])
    QtCore.QTimer.singleShot(WAIT, lambda: _choose(window._label_dialog, label))
    window._actions.edit.trigger()


def _tick(window, flag):
    (item,) = window._docks.flag_list.findItems(flag, Qt.MatchExactly)
    item.setCheckState(Qt.Checked)


def _draw(window, points, label):
    canvas = window._canvas_widgets.canvas
    dict(window._actions.draw)["polygon"].trigger()
    QtCore.QTimer.singleShot(WAIT, lambda: _choose(window._label_dialog, label))
    for x, y in [*points, points[0]]:
        place = (QtCore.QPointF(x, y) + canvas._compute_image_origin_offset()) * canvas.scale
        QtTest.QTest.mouseMove(canvas, place.toPoint())
        QtTest.QTest.mouseClick(canvas, Qt.LeftButton, pos=place.toPoint())


def _choose(dialog, label):
    """Click a label of the dialog's list, and OK, as soon as the dialog is there."""
    if not dialog.isVisible():
        QtCore.QTimer.singleShot(WAIT, lambda: _choose(dialog, label))
        return
    (item,) = dialog.label_list.findItems(label, Qt.MatchExactly)
    place = dialog.label_list.visualItemRect(item).center()
    QtTest.QTest.mouseClick(dialog.label_list.viewport(), Qt.LeftButton, pos=place)
    ok = dialog.findChild(QtWidgets.QDialogButtonBox).button(QtWidgets.QDialogButtonBox.Ok)
    QtTest.QTest.mouseClick(ok, Qt.LeftButton)


def _shot(window, file):
    window.grab().save(file)


STEPS = {"rename": _rename, "tick": _tick, "draw": _draw, "shot": _shot}
