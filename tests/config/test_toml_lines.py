"""Line numbers of keys, whatever stands between them."""

import tomllib

from config.toml_lines import lines_of

TEXT = '''# a comment [not.a.table]
title = """
fake = 1
[fake]
"""
[first."with.dot"]
a.b = [ # a ] in a comment
  1, "]", '[',
]
c = { x = "}", y = [1, 2] }   # end

[[many]]
name = 'it''s'
[[many]]
name = "second \\" quote"
[last]
"quoted key" = 1
'''.replace("'it''s'", '"its"')


def test_every_key_has_its_line() -> None:
    tomllib.loads(TEXT)
    found = lines_of(TEXT)
    assert found == {
        ("title",): 2,
        ("first", "with.dot"): 6,
        ("first", "with.dot", "a"): 7,
        ("first", "with.dot", "a", "b"): 7,
        ("first", "with.dot", "c"): 10,
        ("many",): 12,
        ("many", "name"): 13,
        ("last",): 16,
        ("last", "quoted key"): 17,
    }


def test_text_without_a_last_newline_and_empty_text() -> None:
    assert lines_of("a = 1\nb = 2") == {("a",): 1, ("b",): 2}
    assert lines_of("") == {}
