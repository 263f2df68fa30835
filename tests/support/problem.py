"""Check that an answer is a problem document of the closed list."""

import httpx

from pfn.protocol.errors import Code


def assert_problem(answer: httpx.Response, code: Code) -> dict[str, object]:
    """Check status, type and members (protocol.md section 1), and give the document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, object] = answer.json()
    assert problem["code"] == code.slug, problem
    assert answer.status_code == code.status == problem["status"]
    assert problem["type"] == f"urn:pfn:problem:{code.slug}"
    assert problem["title"] == code.title
    assert problem["error"] == problem["detail"]
    assert len(str(problem["detail"])) > 15
    return problem
