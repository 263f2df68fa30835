"""The program in docs/verifying.md, run as it stands there."""

import re
import time
from pathlib import Path

import pytest
from tests.client.published import NEW, Published
from tests.support.signed import ROOT

from pfn.client import DownloadRefusedError

GUIDE = Path(__file__).parents[2] / "docs" / "verifying.md"


def test_the_program_in_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    published = Published(now=int(time.time()), slug="reading-time")
    published.write(tmp_path / "alice-documents")
    (tmp_path / "alice.pem").write_text(ROOT.public_key.pem)
    (tmp_path / "reading-time.zip").write_bytes(published.zips[NEW])
    monkeypatch.chdir(tmp_path)
    exec(compile(program, str(GUIDE), "exec"), {})
    assert capsys.readouterr().out.startswith(f"{NEW} ['key_document', ")
    (tmp_path / "reading-time.zip").write_bytes(published.zips[NEW][:-1])
    with pytest.raises(DownloadRefusedError):
        exec(compile(program, str(GUIDE), "exec"), {})
