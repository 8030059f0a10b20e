"""Problems as lines."""

from config.errors import ConfigError, Problem


def test_error_is_one_line_for_each_problem_and_each_problem_once() -> None:
    first = Problem("a.toml:3", "gateway.prot", "unknown key", "port")
    second = Problem("b.toml", "", "cannot be read")
    error = ConfigError([first, second, first])
    assert error.problems == (first, second)
    assert str(error) == 'a.toml:3: gateway.prot: unknown key (did you mean "port"?)\nb.toml: cannot be read'
