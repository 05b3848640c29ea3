"""The pictures of the documentation are what commands print in a terminal."""

import json
import re

from tests.cli.pictures import IMAGES, run_picture, text_of, watch_picture

VOLATILE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{8}-[0-9a-f-]{27}")


def told(svg):
    """The lines of a picture, without times and ids."""
    return [VOLATILE.sub("…", line) for line in text_of(svg)]


def committed(name):
    """The lines of the picture in the documentation."""
    return told((IMAGES / f"{name}.svg").read_text("utf-8"))


def test_the_picture_of_watch_is_what_it_prints(tmp_path):
    """Each change is the line that the documentation shows."""
    assert told(watch_picture(tmp_path)) == committed("qstate-watch")


def test_the_picture_of_run_is_what_it_prints(tmp_path, ray_head):
    """What is said of the job, and what it prints; between them stands what Ray logs there."""
    config = tmp_path / "providers.json"
    config.write_text(json.dumps(ray_head.config("lab")))

    def own(lines):
        return [line for line in lines if line.startswith(("$ ", "job ", "measured "))]

    assert own(told(run_picture(tmp_path, config))) == own(committed("qstate-run"))
    assert len(own(committed("qstate-run"))) == 6
