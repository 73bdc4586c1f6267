"""``python -m audit``: the page, the status, the sentences."""

import pytest
from audit_rates import cohort
from test_house import imports

from audit.__main__ import main


def test_a_table_is_audited_from_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("audit.report._png", lambda *_, **__: b"a picture")  # drawn in test_report.py
    monkeypatch.chdir(tmp_path)
    cohort(0).to_csv("t.csv", index=False)
    assert main(
        ["t.csv", "--label", "diagnosis", "--features", "feature_0", "diagnosis", "--subject", "person"]
    ) in (0, 1, 2)
    assert (
        "Written: report.html" in capsys.readouterr().out
        and (tmp_path / "report.html").stat().st_size > 10_000
    )
    assert main(["none.csv", "--label", "diagnosis"]) == 3
    assert main(["t.csv", "--label", "diagnosys"]) == 3
    assert "Did you mean 'diagnosis'?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0 and "Exit status" in capsys.readouterr().out


def test_the_audit_loads_nothing_of_the_course_but_the_colours():
    graph, found, wanted = imports(), set(), {name for name in imports() if name.split(".")[0] == "audit"}
    while wanted:
        found |= wanted
        wanted = {other for name in wanted for other in graph.get(name, ())} - found
    assert {name for name in found if name.split(".")[0] != "audit"} == {"utils.drawing"}
