"""``python -m audit``: the page, the status, the sentences."""

import subprocess
import sys

import pytest
from audit_rates import cohort
from harness import ROOT

from audit.__main__ import main


def test_a_table_is_audited_from_a_terminal(tmp_path, monkeypatch, capsys):
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
    code = (
        "import sys, audit; print(sorted(m for m in sys.modules if m.split('.')[0] in ('utils',"
        " 'simulations', 'checks', 'review')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "['utils', 'utils.drawing']"
