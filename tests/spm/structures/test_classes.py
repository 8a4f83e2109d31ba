"""What a label means: by a list of names, by the labels alone, and what may be a typing error."""

import pytest

from spm.structures.annotation import Annotation, check_annotation, classes_of
from spm.structures.classes import ClassChoice, Classes, numbered, questions
from spm.structures.label_text import slips
from spm.structures.shape import Shape


def counting(stem, count, start=1):
    return [f"{stem}{k}" for k in range(start, start + count)]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([], {}),
        (["003a1", "003a12", "020a3"], {"003a": 2, "020a": 1}),
        (["molecule A 1", "molecule A-2", "molecule A_3", "molecule A4"], {"molecule A": 4}),
        (["tetramer", "tetramer2"], {"tetramer": 2}),
        (["B1", "a10", "a2"], {"a": 2, "B": 1}),
        # Numbers with gaps are still one class's: outlines were deleted, or another image's follow.
        (["A17", "A212", "A455", "A3"], {"A": 4}),
        (counting("003a", 20, 101), {"003a": 20}),
        # Names that end in digits.
        (["C60-1", "C60-2", "C70 1"], {"C60": 2, "C70": 1}),
        (["C60", "C60-2", "C6012"], {"C60": 3}),
        (["C60", "C60-2", "C60-3"], {"C60": 3}),
        (["C60-1", "C5"], {"C": 1, "C60": 1}),
        (counting("C60", 12), {"C60": 12}),
        (["C60", *counting("C60", 11)], {"C60": 12}),
        (counting("C60", 8) + counting("C70", 6), {"C60": 8, "C70": 6}),
        (counting("C60", 11) + counting("C120", 6), {"C60": 11, "C120": 6}),
        (["m0101", "m0102", "m0103", "m0110", "m0201", "m0202", "m0203", "m0210"], {"m": 8}),
        ([f"m{j:02}{k:02}" for j in (1, 2) for k in range(1, 12)], {"m01": 11, "m02": 11}),
        (["A1", "A2", "A3", "A1-2", "A2-2", "A3-2"], {"A1": 2, "A2": 2, "A3": 2}),
        # Nobody can know: the plain rule.
        (counting("C60", 8), {"C": 8}),
        (["C601", "C602", "C701", "C702"], {"C": 4}),
        # Digits alone are a class, with its own molecules where a separator shows it.
        (["7", "13", "13-2"], {"7": 1, "13": 2}),
        (["13-1", "13-2", "133"], {"13": 3}),
        (["C₆₀", "C₆₀ 4"], {"C₆₀": 2}),
        (["Ａ１", "A\u200b2", " "], {"A": 2}),
        (["my mol 1", "my  mol 2", "my\u00a0 mol3"], {"my mol": 3}),
    ],
)  # fmt: skip
def test_classes_that_labels_suggest_together(labels, classes):
    found = Classes.from_labels(labels)
    assert found.count(labels) == classes
    assert list(found) == list(classes), "in natural order"
    assert list(Classes.from_labels(reversed(labels))) == list(found)


def outlined(*labels, **stated):
    shapes = [Shape(label, [[0, 0], [9, 0], [9, 9]]) for label in labels]
    return Annotation(shapes, 20, 20, "a.png", extra=stated)


@pytest.mark.parametrize(
    ("images", "classes"),
    [
        ([["C60"] * 12 + ["C70"] * 9], {"C60": 12, "C70": 9}),
        ([["C60"] * 12 + ["C70"]], {"C60": 12, "C70": 1}),
        ([["C60"] * 4, ["C70"] * 3], {"C60": 4, "C70": 3}),
        ([["C60"] * 8 + ["C60-1", "C602"]], {"C60": 10}),
        ([["13"] * 4 + ["7"] * 3], {"7": 3, "13": 4}),
        # Numbers: given twice by mistake, again in another image, of a class without one.
        ([["003a1", "003a1", "003a2", "003a3"]], {"003a": 4}),
        ([["A1", "A2"], ["A1", "A2"]], {"A": 4}),
        ([["A", "A2", "A2", "A2"]], {"A": 4}),
        ([["A1"] * 9, counting("A", 9)], {"A": 18}),
    ],
)
def test_labels_that_molecules_share_are_classes(images, classes):
    found = classes_of([outlined(*labels) for labels in images])
    assert found.count([label for labels in images for label in labels]) == classes
    assert list(found) == list(classes)


def test_a_prediction_states_its_classes():
    made = [outlined("C60", "C70", "C603"), outlined("C60", class_names=["C60", "C70", "C84"])]
    assert list(classes_of(made)) == ["C60", "C70"] and list(classes_of(made[:1])) == ["C"]
    assert made[1].classified(None).shapes[0].class_name == "C60"
    assert list(classes_of(made, ClassChoice(["C"]))) == ["C"], "the user's word counts"
    assert list(classes_of(made, ClassChoice(known=["C60", "C70", "x"]))) == ["C60", "C70", "x"]


def test_what_we_write_is_read_again():
    for names in (["003a", "020a"], ["C60", "C70"], ["13", "7"], ["molecule A", "B"]):
        labels = [numbered(name, k) for name in names for k in range(1, 121)]
        assert set(Classes.from_labels(labels)) == set(names)
        classes = Classes(names)
        assert [classes.read(label) for label in labels] == [
            (name, k) for name in names for k in range(1, 121)
        ]


def test_the_longest_name_wins_and_numbers_are_read():
    classes = Classes(["A", "A B"])
    assert classes.read("A B-07") == ("A B", 7) and classes.read("A 7") == ("A", 7)
    assert classes.read("A B") == ("A B", None) and classes.read("A Bx") == (None, None)
    assert (list(classes), str(classes), classes.index("A B")) == (["A", "A B"], "A, A B", 1)
    assert Classes.of(classes) is classes and classes == Classes(["A", "A B"])


def test_shapes_carry_their_class():
    shapes = [Shape(label, [[0, 0], [9, 0], [9, 9]]) for label in ("A1", "B 2", "x3")]
    made = Annotation(shapes, 20, 20, "a.png").classified(["A", "B"])
    assert [(s.class_name, s.serial) for s in made.shapes] == [("A", 1), ("B", 2), (None, None)]
    assert made.class_of(made.shapes[1]) == "B"
    with pytest.raises(ValueError, match="no classes yet"):
        Annotation(shapes, 20, 20, "a.png").class_of(shapes[0])
    assert list(Annotation(shapes, 20, 20, "a.png").classified(None).classes) == ["A", "B", "x"]


def test_many_unknown_labels_are_one_sentence():
    square = [(1, 1), (9, 1), (9, 9), (1, 9)]
    import numpy as np

    shapes = [Shape(label, np.array(square, float)) for label in counting("003a", 22)]
    (said,) = check_annotation(Annotation(shapes, 20, 20, "a.png").classified(["A", "B"]))
    assert "labels '003a1', '003a2', '003a3' and 19 more belong to no known class (A, B)" in said
    assert check_annotation(Annotation(shapes, 20, 20, "a.png")) == []


def test_labels_of_several_slips_are_told_apart():
    said = Classes(["003a", "020a"]).unknown(["O03a1", "003a2", "O03a3", "zinc1"])
    assert said == [
        "labels 'O03a1', 'O03a3' belong to no known class (003a, 020a); did you mean 003a? Correct "
        "the label or add its class",
        "label 'zinc1' belongs to no known class (003a, 020a); correct the label or add its class",
    ]


@pytest.mark.parametrize(
    ("counts", "groups"),
    [
        ({"003a": 8, "020a": 13, "O20a": 1}, [["020a", "O20a"]]),
        ({"003a": 8, "O03a": 8}, [["003a", "O03a"]]),  # alike to the eye, however many
        ({"molecule": 20, "molecu1e": 3, "Molecule": 5}, [["molecule", "Molecule", "molecu1e"]]),
        ({"tetramer": 30, "tetamer": 1, "dimer": 9}, [["tetramer", "tetamer"]]),
        ({"tetramer": 30, "tertamer": 1}, [["tetramer", "tertamer"]]),
        ({"003a": 9, "003b": 11}, []),
        ({"003a": 12, "003b": 1}, [["003a", "003b"]]),
        ({"A": 30, "B": 1}, []),
        ({"А": 3, "A": 30}, [["A", "А"]]),  # the first one is Cyrillic
        ({"A": 30, "Ab": 0}, []),
        ({"003a": 8, "020a": 13}, []),
    ],
)
def test_names_that_may_be_typing_errors(counts, groups):
    assert slips(counts) == groups
    assert len(questions(counts)) == len(groups)


def test_the_line_says_what_was_understood():
    labels = counting("003a", 8) + counting("020a", 13) + ["O20a1"]
    choice = ClassChoice()
    first, question = choice.said(choice.of(labels), labels)
    assert first == "Classes from the labels: 003a (8), 020a (13), O20a (1)"
    assert question.startswith("020a (13), O20a (1): a typing error?")
    labels = counting("C60", 12) + counting("B", 2)
    (line,) = choice.said(choice.of(labels), labels)
    assert line == "Classes from the labels: B (2), C60 (12, such as C601)"
    labels = counting("C60", 8)
    (line,) = choice.said(choice.of(labels), labels)
    assert line == "Classes from the labels: C (8, such as C601)"


def test_who_decides():
    labels = ["A1", "B2"]
    assert list(ClassChoice(["B", "A"]).of(labels)) == ["B", "A"]
    assert ClassChoice(["B", "A"]).said(Classes(["B", "A"]), labels) == []
    assert list(ClassChoice(["A,B"]).of(labels)) == ["A", "B"]
    assert list(ClassChoice(["A,", "B"]).of(labels)) == ["A", "B"]
    assert list(ClassChoice(["1,2-a"]).of(["1,2-a 1", "1,2-a 2"])) == ["1,2-a"]
    known = ["B", "A", "C"]
    assert list(ClassChoice(known=known).of(labels)) == known
    assert ClassChoice(known=known).said(Classes(known), labels) == [
        "Classes of the weights: B (1), A (1), C (0)"
    ]
    assert list(ClassChoice(known=["A", "C"]).of(labels)) == ["A", "B"]
    assert list(ClassChoice(known=["A", "C"], fixed=True).of(labels)) == ["A", "C"]
