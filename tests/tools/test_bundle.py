"""The library that draws the panels is the one that the pinned package holds."""

from bundle import BUNDLE, NOTICE, bundle


def test_the_bundle_is_made_of_the_pinned_package_and_says_whose_it_is():
    assert BUNDLE.read_text(encoding="utf-8") == bundle(), "run `make bundle`"
    assert "BSD-3-Clause" in NOTICE
