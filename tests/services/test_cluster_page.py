"""The tutorial's page about a cluster, on a real one of this machine that requires a token."""

from tests.clusters import LocalCluster
from tests.documents import ROOT, Page


def test_the_page_can_be_followed(tmp_path):
    for folder in ("folder", ".ray"):
        (tmp_path / folder).mkdir()
    with LocalCluster(head_cpus=2, env={"NOISESWEEP_STORAGE": str(tmp_path / "storage")}) as cluster:
        (tmp_path / ".ray" / "auth_token").write_text(cluster.token)
        env = {"HOME": str(tmp_path), "RAY_ADDRESS": "local"}
        page = Page(
            ROOT / "docs" / "tutorial" / "cluster.md",
            tmp_path / "folder",
            env=env,
            rewrite=lambda command: command.replace("http://HEAD:8265", cluster.dashboard_url),
        )
        page.run()
    assert (tmp_path / "storage" / "on-a-cluster" / "001" / "report" / "report.html").exists()
