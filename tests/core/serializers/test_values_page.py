"""docs/values.md says what happens."""

from tests.core.serializers.page import PAGE, write


def test_the_table_of_the_page_is_what_happens():
    """Type by serializer; ``python -m tests.core.serializers.page`` writes it anew."""
    assert PAGE.read_text("utf-8") == write()
