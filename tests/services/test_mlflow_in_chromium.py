"""MLflow in a browser: a method beside backpropagation in the steps of docs/TRACKING.md, from committed records.

With FFREPRO_PICTURE=docs/mlflow.png the test leaves the page's picture there.
"""

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import pytest

from ffrepro import tracking
from ffrepro.pipeline.workspace import open_workspace

EXPERIMENT = "rnn_dollar_corrected"
SEARCH = f'tags.ffrepro.experiment = "{EXPERIMENT}" and tags.ffrepro.level = "mean over seeds"'
SECONDS = 120


@pytest.fixture
def address(project_root, tmp_path):
    """Where MLflow shows the committed records of one experiment."""
    plans = [plan for plan in open_workspace(project_root, "paper", ["cpu"]).plans if plan["experiment"] == EXPERIMENT]
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking.mirror(project_root, uri, plans, committed=True).written == len(plans) == 15
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--port", port, "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = (tmp_path / "mlflow.log").open("w")
    server = subprocess.Popen(command, cwd=tmp_path, env=os.environ | quiet, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _wait_for(url, server):
    end = monotonic() + SECONDS
    while monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            sleep(0.5)
    pytest.fail(f"no MLflow at {url}")


def test_a_method_beside_backpropagation_in_four_steps(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(60_000)
    page.goto(f"{address}/#/experiments")
    page.get_by_text("Model training", exact=True).first.click()
    page.get_by_text("chikhachev2025_rnn paper").first.click()
    field = page.get_by_placeholder("metrics.rmse")
    page.locator("label:has([value=CHART])").click()
    field.fill(SEARCH)
    field.press("Enter")
    names = [page.get_by_text(f"{variant}, rnn_").first for variant in ("ff_std", "ff_rms", "bptt")]
    for name in names:
        name.wait_for()
    page.get_by_text("accuracy_std", exact=True).first.wait_for(state="attached")
    assert page.get_by_text("matching runs").first.inner_text().startswith("3 ")
    if picture := os.environ.get("FFREPRO_PICTURE"):
        page.mouse.click(1244, 42)  # closes MLflow's assistant
        page.wait_for_timeout(3000)
        page.screenshot(path=Path(picture))
    page.close()
