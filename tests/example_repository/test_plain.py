"""An ordinary test of the repository, which the plugin leaves alone."""


def test_arithmetic() -> None:
    assert 2 + 2 == 4
