"""Templates: texts with placeholders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async._text.template import Template, TemplateError


@pytest.mark.parametrize(
    ("text", "names", "filled"),
    [
        ("Hi {name}", ("name",), "Hi <name>"),
        ("{a}{b}{a}", ("a", "b", "a"), "<a><b><a>"),
        ("{ first name }!", ("first name",), "<first name>!"),
        ("no places", (), "no places"),
        ("", (), ""),
        ("{{name}} is {name}", ("name",), "{name} is <name>"),
        ("}}{{", (), "}{"),
        ("{name.__class__}", ("name.__class__",), "<name.__class__>"),
        ("two\nlines {x}", ("x",), "two\nlines <x>"),
    ],
)
def test_placeholders_are_filled(text, names, filled):
    """A placeholder is a column name, even if it looks like Python syntax."""
    template = Template.parse(text)

    assert names == template.names
    assert filled == template.fill([f"<{name}>" for name in names])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hi {name", "the { at position 3 opens no placeholder; write {name of a column}, or {{"),
        ("Hi name}", "the } at position 7 closes no placeholder; write {name of a column}, or }}"),
        ("Hi {}", "the { at position 3 opens no placeholder; write {name of a column}, or {{"),
        ("{{{name}}", "the } at position 8 closes no placeholder; write {name of a column}, or }}"),
    ],
)
def test_a_single_brace(text, reason):
    """A single brace is refused with its position and the correct form."""
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)

    assert f"{reason} for the character itself" == str(caught.value)


@given(st.text())
def test_doubled_braces(text):
    """A text whose braces are doubled is filled to the original text."""
    doubled = text.replace("{", "{{").replace("}", "}}")

    assert text == Template.parse(doubled).fill([])
