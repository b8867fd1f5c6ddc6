"""The house rules of `make check` find what they are for."""

import runpy
from pathlib import Path
from typing import Any

import pytest

RULES: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / ".ci" / "house_rules.py"))


@pytest.mark.parametrize(
    "back",
    [
        "from circled import one",
        "def later():\n    from circled.one import ONE\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from circled.one import ONE\n",
        "from circled import VERSION",
    ],
    ids=["plain", "in a function", "for type checking", "through the face"],
)
def test_a_circle_of_imports_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: str) -> None:
    package = tmp_path / "circled"
    package.mkdir()
    (package / "__init__.py").write_text("VERSION = 1\nfrom circled.one import ONE\n")
    (package / "one.py").write_text("ONE = 1\nfrom circled import two\n")
    (package / "two.py").write_text("TWO = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)  # for grimp's cache
    assert list(RULES["circles"](("circled",))) == []
    (package / "two.py").write_text(f"TWO = 2\n{back}\n")
    (complaint,) = RULES["circles"](("circled",))
    assert complaint.startswith("These import each other: circled")
    assert "circled.two" in complaint


@pytest.mark.parametrize(
    "code", ['"""What it is."""', 'class A:\n    """Why, then."""', 'def f():\n    """\n    How?\n    """']
)
def test_a_docstring_that_opens_with_a_question_is_found(tmp_path: Path, code: str) -> None:
    path = tmp_path / "asks.py"
    path.write_text(code)
    (complaint,) = RULES["question_docstrings"](path)
    assert complaint.startswith(f"{path}:1: the docstring opens with ")
    path.write_text('"""Whatever it is.\n\nWhat follows is text."""')
    assert list(RULES["question_docstrings"](path)) == []
