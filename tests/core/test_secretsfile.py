"""The format of secrets.env, and that nothing of it comes out in an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.secretsfile import Bad, Parsed, Reason, is_reference, parse, suspects


def values(text: str) -> dict[str, str]:
    """What a good file holds."""
    parsed = parse(text.encode())
    assert isinstance(parsed, Parsed), parsed
    return {**parsed.values}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x", "x"),
        ("A=", ""),
        ("A=x y  ", "x y"),
        ("A = \t x", "x"),
        ("  A=x", "x"),
        ("export A=x", "x"),
        ("  export   A=x", "x"),
        ("A=x\r", "x"),
        ("A=x # no comment", "x # no comment"),
        ("A=a=b=", "a=b="),
        ("A=$HOME ${X} `x`", "$HOME ${X} `x`"),
        ("A=x\"y'z", "x\"y'z"),
        ('A="x y "  ', "x y "),
        ('A=""', ""),
        (r'A="\n\r\t\\\""', '\n\r\t\\"'),
        ('A="it\'s # here"', "it's # here"),
        ("A=''", ""),
        (r"A='\n \" # '", r"\n \" # "),
        ("A=käse", "käse"),
        ("A=a\fb", "a\fb"),
        ("A=op://vault", "op://vault"),
        ("A=op://vault/item", "op://vault/item"),
        ("A=xop://vault/item/field", "xop://vault/item/field"),
    ],
)
def test_a_line_gives_a_name_its_value(line: str, value: str) -> None:
    """Spaces around, quotes, escapes; nothing is expanded and no comment follows a value."""
    assert {"A": value} == values(line)


def test_names_are_those_of_variables() -> None:
    """Letters, digits and underscores, and ``export`` itself can be a name."""
    assert {"_a9": "1", "export": "2", "exportB": "3"} == values("_a9=1\nexport=2\nexportB=3")


def test_blank_lines_and_comments_are_passed_over() -> None:
    """Anywhere in the file, with Unix or Windows line ends, with or without one at the end."""
    assert {"A": "1", "B": "2"} == values("\r\n# A=9\n  \t\n\t # x\nA=1\r\n\nB=2")
    assert {} == values("")


def test_the_last_of_equal_names_holds_and_is_told() -> None:
    """A name that is given twice is a warning with the line of the second."""
    parsed = parse(b"A=1\nB=2\nA=3\nA=4\n")

    assert Parsed(values={"A": "4", "B": "2"}, references={}, repeated=(3, 4)) == parsed


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_references_are_kept_apart(quote: str) -> None:
    """A complete op:// reference is no value, quoted or not."""
    reference = "op://vault/item/section/field"

    assert Parsed(values={"B": "1"}, references={"A": reference}) == parse(
        f"A={quote}{reference}{quote}\nB=1".encode()
    )


def test_the_last_of_equal_names_decides_what_it_is() -> None:
    """A reference replaced by a value is no reference, and the other way round."""
    assert Parsed(values={"A": "1"}, references={}, repeated=(2,)) == parse(b"A=op://a/b/c\nA=1")
    assert Parsed(values={}, references={"A": "op://a/b/c"}, repeated=(2,)) == parse(
        b"A=1\nA=op://a/b/c"
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"A", Reason.NO_EQUALS),
        (b"export A", Reason.NO_EQUALS),
        (b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC==", None),
        (b"c2VjcmV0/c2VjcmV0+x=", Reason.BAD_NAME),
        (b"=x", Reason.BAD_NAME),
        (b"export =x", Reason.BAD_NAME),
        (b"export\tA=x", Reason.BAD_NAME),
        (b"9A=x", Reason.BAD_NAME),
        (b"A-B=x", Reason.BAD_NAME),
        ("Ä=x".encode(), Reason.BAD_NAME),
        (b'A="x', Reason.UNCLOSED),
        (b'A="', Reason.UNCLOSED),
        (b'A="x\\', Reason.UNCLOSED),
        (b'A="x\\"', Reason.UNCLOSED),
        (b"A='x", Reason.UNCLOSED),
        (b'A="\\x"', Reason.BAD_ESCAPE),
        (b'A="\\\'"', Reason.BAD_ESCAPE),
        (b'A="x" # y', Reason.TRAILING),
        (b"A='x'y", Reason.TRAILING),
        (b"A=\xff", Reason.NOT_UTF8),
    ],
)
def test_one_bad_line_refuses_the_file(line: bytes, reason: Reason | None) -> None:
    """By its number and the class of what is wrong; a key wrapped over lines is one such, unless
    it happens to look like a variable."""
    parsed = parse(b"# fine\nB=1\n" + line + b"\nC=\n")

    if reason is None:
        assert isinstance(parsed, Parsed)
    else:
        assert Bad(line=3, reason=reason) == parsed


@given(data=st.binary(max_size=60) | st.text("A=\"'\\ #\n\rop:/", max_size=30).map(str.encode))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    """No input raises, and a refusal names a line that exists."""
    parsed = parse(data)

    assert isinstance(parsed, Parsed) or 1 <= parsed.line <= data.count(b"\n") + 1


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\n")))
def test_any_value_can_be_written_in_double_quotes(value: str) -> None:
    """With its four escapes, a quoted value says everything."""
    escaped = value
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\r", "\\r"), ("\t", "\\t")):
        escaped = escaped.replace(character, escape)
    parsed = parse(f'A="{escaped}"'.encode())

    assert isinstance(parsed, Parsed)
    assert {"A": value} == {**parsed.values, **parsed.references}


def test_what_was_parsed_does_not_show_itself() -> None:
    """A record that ends up in a log says nothing of what it holds."""
    shown = repr(parse(b"TOKEN=hunter2\nOTHER=op://vault/item/field"))

    assert not any(word in shown for word in ("TOKEN", "hunter2", "OTHER", "vault"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("op://a/b/c", True), ("op://a/b/c/d", True), ("op:///", False), ("op:////", True)],
)
def test_a_reference_has_all_its_parts(value: str, expected: bool) -> None:
    """Vault, item and field: two slashes after the scheme at least."""
    assert expected == is_reference(value)


def test_what_may_be_secret_in_a_file_that_is_refused() -> None:
    """The values of good lines as they would count, and of a bad one all from each place where its
    value may begin."""
    text = '# note\nA=\'x y\'\r\nB="half line\n  MIIEpAIBAAKC==  \nnot a name="top\\z"\n\n'

    assert {
        "x y",
        "A='x y'",
        'B="half line',
        '"half line',
        "half line",
        "MIIEpAIBAAKC==",
        "=",
        'not a name="top\\z"',
        'not a name="top\\z',
        '"top\\z"',
        "top\\z",
    } == {each for each in suspects(text.encode()) if each}


@given(st.binary())
def test_any_bytes_hold_suspects(data: bytes) -> None:
    """A file that is refused may hold anything."""
    assert all(isinstance(each, str) for each in suspects(data))
