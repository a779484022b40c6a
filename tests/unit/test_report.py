"""The report: what it says, that it stands alone, and that it is the same each time."""

import io
import itertools
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_inputs import BASELINES, DETECTORS, DOT, SPAN, evaluated, results, scored
from rich.console import Console

from canids.errors import ArtifactError
from canids.fusion.names import ALTERNATIVES
from canids.report import detection_table, terminal_table, write_report
from canids.report.formats import rate, seconds
from canids.report.fused import fused_sentences
from canids.report.inputs import read_metrics
from canids.report.rule_graph import LAYER_HEIGHT, layered_layout, parse_dot, width
from canids.report.sentences import comparison_sentences, result_sentences
from canids.report.style import look
from canids.report.tables import over_seeds, tidy
from canids.report.timelines import draw_timeline, runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    arguments = results(root)
    write_report(root / "report.html", **arguments)
    return root, arguments, (root / "report.html").read_text()


class Page(HTMLParser):
    """The attributes that load something, the visible text, and the ids of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.loads, self.words, self.tags, self.ids = [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "xlink:href", "data", "srcset", "action")]
        self.ids += [v for k, v in attributes if k == "id"]

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data.strip())


def test_loads_nothing_from_anywhere(made):
    page = Page(made[2])
    assert page.loads and all(address.startswith("#") for address in page.loads)
    assert not {"script", "link", "iframe", "object", "img"} & set(page.tags)
    assert "@import" not in made[2] and not re.search(r"url\((?!#)", made[2])


def test_contents_lead_to_sections(made):
    page = Page(made[2])
    assert len(page.ids) == len(set(page.ids))
    wanted = {address[1:] for address in re.findall(r'<a href="(#[^"]+)"', made[2])}
    assert len(wanted) == 17 and wanted <= set(page.ids)


def test_alternatives_to_the_fusion_have_a_section_of_their_own(made):
    text = Page(made[2]).text
    fused = text.split("Other ways to fuse The DQN")[1].split("Score timelines")[0]
    assert all(f"student {name} 1.000 0" in fused for name in ("GAT", "Weighted", "Logistic", "MLP", "LinUCB"))
    assert not any(name in text.replace(fused, "") for name in ("Weighted", "LinUCB"))


def test_where_an_alternative_beats_the_fusion_it_is_said_in_words(made):
    text = Page(made[2]).text
    assert "Where an alternative does better than the DQN of the students:" in text
    assert "MLP has the higher F1 (1.000 against 0.870; 0 errors against 3)" in text


def test_a_fusion_that_stays_where_it_began_is_told(made):
    text = Page(made[2]).text
    assert "The teacher DQN stays at the weighted average’s α (0.95) in 1 of 1 seed: nothing" in text
    assert "The student DQN stays" not in text


def test_where_none_does_that_is_said_too(tmp_path):
    metrics = read_metrics([evaluated(tmp_path, "student", 1, dict.fromkeys(ALTERNATIVES, 4))])
    assert fused_sentences(metrics, "student") == []


def test_words_name_the_baseline_that_beats_the_cascade(made):
    text = Page(made[2]).text
    assert "A baseline beats the cascade." in text
    assert "LightGBM has the higher F1 (1.000 against 0.870; 0 errors against 3)." in text


def test_attacks_found_and_false_alarms_are_told(made):
    text = Page(made[2]).text
    assert "student Fusion 1 of 1 0.200 s 0.200 s 99 0 0/h, 0.0 %" in text
    assert "There are 12 s of attack-free driving in the test captures" in text


def test_an_alarm_is_explained_in_words(made):
    text = Page(made[2]).text
    assert "DoS , at 2.000 to 2.200 s: 0x000 is no ID that this vehicle has shown." in text
    assert "test_attack/DoS-$a$ 0x000 10 0.900 1.000" in text


def test_latent_units_in_use_stand_beside_the_vgae(made):
    assert "VGAE teacher 1,000 4.0 kB 1.5 s 2 0.9000 3 of 4" in Page(made[2]).text


def test_undefined_metric_is_a_dash_with_a_legend(made):
    text = Page(made[2]).text
    quiet = text.split("test_quiet 50 windows, 0 attacked")[1].split("By capture")[0]
    assert "student Fusion – 3 3 + 0 – – 0.940 – – 0.0600" in quiet
    assert "“–”: undefined" in text
    assert not re.search(r"\b(nan|None|Undefined)\b", text)


def test_same_inputs_same_bytes_whatever_their_order(made):
    root, arguments, html = made
    reordered = {name: each[::-1] if isinstance(each, list) else each for name, each in arguments.items()}
    write_report(root / "again.html", **{**reordered, "rule_graph": "\n".join(DOT.splitlines()[::-1])})
    assert (root / "again.html").read_text() == html


def test_words_name_the_detector_that_beats_the_fusion(made):
    text = Page(made[2]).text
    assert "F1 0.870: 3 errors, 0 of 10 attacked windows missed and 3 false alarms in 40 attack-free windows." in text
    assert "test_attack: GAT alone has the higher F1 (1.000 against 0.870; 0 errors against 3)" in text
    assert "GAT alone raises fewer false alarms (0 against 3)" in text
    assert "VGAE alone" not in text.split("Detection A window")[0].replace("0: VGAE alone", "")


def test_no_detector_named_where_fusion_is_best(tmp_path):
    evaluations = [evaluated(tmp_path / "e", "student", 1, {"vgae": 4, "gat": 2})]
    means = over_seeds(tidy(read_metrics(evaluations), "table"))
    assert comparison_sentences(means, "student") == []


def test_a_sum_over_time_is_not_compared_by_its_windows(tmp_path):
    evaluations = [evaluated(tmp_path / "e", "student", 1, {"fusion": 3}, ("fusion", "cusum"))]
    means = over_seeds(tidy(read_metrics(evaluations), "table"))
    assert comparison_sentences(means, "student") == []


def test_seeds_are_averaged_and_their_range_told(tmp_path):
    evaluations = [evaluated(tmp_path / str(n), "student", n, {"fusion": 2 * n}) for n in (1, 2)]
    means = over_seeds(tidy(read_metrics(evaluations), "table"))
    (_, attack), (_, quiet) = result_sentences(means, "student")
    low, high = 20 / 24, 20 / 22
    mean, reach = (low + high) / 2, 12.706 * (high - low) / 2  # Student's t of one degree of freedom
    assert attack.startswith(
        f"F1 {(low + high) / 2:.3f} (mean of 2 seeds, 95 % interval {max(mean - reach, 0):.3f} to 1.000): on average 3"
    )
    assert quiet == "no attack, so F1 is undefined; on average 3 false alarms in 50 attack-free windows."


def test_names_and_lines_of_logs_are_escaped(made):
    html = made[2]
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html
    assert "1.0,&lt;b&gt;zz&lt;/b&gt;,00" in html
    assert "made &lt;up&gt;" in html and "Two &amp; a half cars" in html
    assert "DoS-$a$" in Page(html).text


def test_data_and_models_are_listed(made):
    text = Page(made[2]).text
    assert "2 2 × ID is not hexadecimal" in text
    assert "repeats train/a, counted once" in text
    assert "left out: one recording with test/c, test/d" in text
    assert "GAT student 100 1/10.0 400 B 1.5 s 2 0.900" in text
    assert "report: graphs, train_gat" in text


def test_attack_span_lies_where_it_should_in_the_timeline():
    windows = scored("c", "s", True, {}).sort("start")
    limits = dict.fromkeys(("fusion", "gat"), (-5.0, 5.0))
    with look():
        drawing = draw_timeline(windows, {"fusion": 0.0, "gat": 0.0}, limits, [SPAN], "s/c")
    groups = list(ElementTree.fromstring(str(drawing)).iter("{http://www.w3.org/2000/svg}g"))
    axes = [g for g in groups if g.get("class", "").startswith("axes_")]
    assert len(axes) == 3
    for each in axes:
        panel, *_ = [_extent(g) for g in each if g.get("class", "").startswith("patch_")]
        span = next(_extent(g) for g in each if g.get("class") == "attack-span-0")
        assert (span - panel[0]) / np.ptp(panel) == pytest.approx([0.2, 0.4], abs=1e-3)
    assert {"threshold-fusion", "threshold-gat", "attacked-windows", "alarms"} <= {g.get("class") for g in groups}


def _extent(group) -> np.ndarray:
    x = np.array(re.findall(r"[ML] ([\d.]+) ", next(iter(group)).get("d")), float)
    return np.array([x.min(), x.max()])


def test_runs_of_windows():
    start = np.arange(6.0)
    assert runs(np.array([1, 1, 0, 0, 1, 0], bool), start, start + 1) == [(0.0, 2.0), (4.0, 1.0)]
    assert runs(np.zeros(6, bool), start, start + 1) == []


def test_detection_table_is_tidy(made):
    frame = detection_table(made[1]["evaluations"])
    assert len(frame) == 2 * 4 * len(DETECTORS) + 4 * len(BASELINES)
    assert not frame.duplicated(["scale", "seed", "scenario", "capture", "detector"]).any()
    assert (frame["errors"] == frame["fp"] + frame["fn"]).all()
    assert frame.loc[frame["scenario"] == "test_quiet", "f1"].isna().all()


def test_terminal_table_fits_80_columns(made):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal_table(detection_table(made[1]["evaluations"])))
    shown = console.export_text()
    assert "…" not in shown
    assert re.search(r"student +Fusion +0\.870 +3 +0\.769 +1\.000 ", shown)
    assert re.search(r"teacher +GAT +– +0 +– +– +– +0\.0000", shown)


def test_missing_inputs_are_named(made, tmp_path):
    for evaluations, message in (([], "no evaluation"), ([tmp_path / "nowhere"], r"nowhere/metrics\.json")):
        with pytest.raises(ArtifactError, match=message):
            detection_table(evaluations)
    with pytest.raises(ArtifactError, match=r"gone/config\.yaml"):
        write_report(tmp_path / "r.html", **{**made[1], "models": [tmp_path / "gone"]})
    assert not (tmp_path / "r.html").exists()


def test_workflow_graph_and_benchmarks_are_shown_if_given(made, tmp_path):
    (tmp_path / "ingest").mkdir()
    jobs = [tmp_path / "graphs.tsv", tmp_path / "ingest" / "still.tsv"]
    for job, memory in zip(jobs, ("812.5", "NA"), strict=True):
        job.write_text(f"s\th:m:s\tmax_rss\n66.6\t0:01:06\t{memory}\n")
    write_report(tmp_path / "r.html", **{**made[1], "rule_graph": ""}, benchmarks=jobs)
    html = (tmp_path / "r.html").read_text()
    assert "graphs 66.6 s 812.5 MB ingest/still 66.6 s –" in Page(html).text
    assert 'id="workflow"' in made[2] and 'id="workflow"' not in html


def test_parse_dot():
    rules = parse_dot(DOT)
    inputs = {rule: sorted(rules.predecessors(rule)) for rule in rules}
    assert inputs == {"all": ["report"], "graphs": [], "report": ["graphs", "train_gat"], "train_gat": ["graphs"]}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda e: e[0] < e[1]), max_size=25))
def test_boxes_do_not_overlap_and_arrows_point_down(pairs):
    rules = nx.DiGraph()
    rules.add_nodes_from(f"rule_{n}" for n in range(12))
    rules.add_edges_from((f"rule_{a}", f"rule_{b}") for a, b in pairs)
    place, waypoints = layered_layout(rules)
    lanes = {(edge, n): at for edge, some in waypoints.items() for n, at in enumerate(some)}
    boxes = [(width(node), *at) for node, at in {**place, **lanes}.items()]
    for (wide, x, y), (other_wide, other_x, other_y) in itertools.combinations(boxes, 2):
        assert y != other_y or abs(x - other_x) > (wide + other_wide) / 2
    for a, b in rules.edges:
        heights = [y for _, y in (place[a], *waypoints[a, b], place[b])]
        assert np.diff(heights) == pytest.approx(LAYER_HEIGHT)


def test_what_only_rounding_makes_perfect_says_so():
    assert [rate(v) for v in (None, np.nan, 1.0, 0.99996, 0.0, 1e-5)] == [
        "–",
        "–",
        "1.000",
        ">0.999",
        "0.000",
        "<0.001",
    ]
    assert [seconds(s) for s in (1.26, 130, 7300)] == ["1.3 s", "2 min", "2 h 2 min"]
