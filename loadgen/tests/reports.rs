//! Room: loadgen, tests. Reports of made-up runs: JSON goes out and comes back, text stands in columns, pages are whole, fetch
//! nothing, let no text of a server's become markup, and work in a real browser.

#[path = "reports/made_up.rs"]
mod made_up;

use loadgen::outcome::{Latency, Outcome, TargetFacts};
use loadgen::report::page::{Axis, Bar, Bars, Chart, Colour, Page, Section, Unit, escape};
use loadgen::report::{Run, compare_html, html, json, read_json, text};
use made_up::{made_up, made_up_limit};
use std::process::{Command, Stdio};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&amp;\u{1b}[2J";

/// Every text that comes from outside is hostile.
fn hostile() -> Outcome {
    let mut outcome = made_up(HOSTILE, 3, 1.0, true);
    outcome.command = HOSTILE.into();
    outcome.host.name = HOSTILE.into();
    outcome.host.cpu_model = HOSTILE.into();
    outcome.targets = vec![TargetFacts { url: HOSTILE.into(), server: HOSTILE.into(), version: HOSTILE.into() }];
    outcome.verbs[0].name = HOSTILE.into();
    outcome.phases[1].name = HOSTILE.into();
    outcome.objectives[0].text = HOSTILE.into();
    outcome.warnings.push(HOSTILE.into());
    outcome.first_error = Some(HOSTILE.into());
    outcome.slowest[0].verb = HOSTILE.into();
    outcome
}

/// A run in which nothing was answered.
fn empty() -> Outcome {
    let mut outcome = made_up("nothing", 4, 1.0, true);
    outcome.verbs.clear();
    outcome.series.clear();
    outcome.slowest.clear();
    outcome.objectives.clear();
    (outcome.all, outcome.late) = (Latency::new(), Latency::new());
    (outcome.seconds, outcome.cpu_s) = (0.0, 0.0);
    outcome.limit = Some(Vec::new());
    outcome
}

fn searched() -> Outcome {
    let mut outcome = made_up("the limit", 5, 1.0, true);
    outcome.limit = Some(made_up_limit());
    outcome
}

fn all_kinds() -> Vec<Outcome> {
    vec![made_up("open", 1, 1.0, true), made_up("closed", 2, 1.0, false), hostile(), empty(), searched()]
}

fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = all_kinds().iter().map(|o| (o.title.clone(), html(o))).collect();
    let run = |(at, outcome): (usize, Outcome)| Run { name: format!("{at} {}", outcome.title), outcome };
    pages.push((
        "all side by side".into(),
        compare_html(&all_kinds().into_iter().enumerate().map(run).collect::<Vec<_>>()),
    ));
    pages
}

/// Long texts are the same; where they differ, only that place is told.
fn same(left: &str, right: &str) {
    if let Some(at) = left.bytes().zip(right.bytes()).position(|(l, r)| l != r) {
        let near = |text: &str| {
            String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60)..text.len().min(at + 60)]).into_owned()
        };
        panic!("byte {at}:\n{}\n{}", near(left), near(right));
    }
    assert_eq!(left.len(), right.len());
}

#[test]
fn json_comes_back_as_it_went() {
    for outcome in all_kinds() {
        let written = json(&outcome);
        assert_eq!(written.lines().count(), 1);
        let back = read_json(&written).expect("what was written is read");
        same(&json(&back), &written);
        assert_eq!(back.all, outcome.all);
        // A report from a file says what the run's own said.
        same(&text(&back), &text(&outcome));
        same(&html(&back), &html(&outcome));
    }
}

#[test]
fn json_keeps_the_names_that_scripts_read() {
    let outcome = made_up("names", 1, 1.0, true);
    let value: serde_json::Value = serde_json::from_str(&json(&outcome)).expect("JSON");
    let names = "targets connections pipeline threads keys rate seed verified seconds cpu_s all get set late hits misses errors \
                 first_error unanswered bytes_out bytes_in slowest";
    for name in names.split_whitespace() {
        assert!(value.get(name).is_some(), "{name}");
    }
    for name in "count per_s p50 p90 p95 p99 p99.9 p99.99 max mean".split(' ') {
        assert!(value["all"][name].is_number() && value["get"][name].is_number(), "{name}");
    }
    assert_eq!(value["targets"][0], "resp://10.0.0.7:6379");
    assert_eq!(value["rate"], 120_000.0);
    assert_eq!(value["set"]["count"], outcome.verbs[1].count + outcome.verbs[2].count);
    assert!(value["slowest"][0]["due_s"].is_number() && value["slowest"][0]["us"].is_number());
    let p99_us = outcome.all.value_at_quantile(0.99) as f64 / 1000.0;
    assert!((value["all"]["p99"].as_f64().expect("a number") - p99_us).abs() < 0.06);
    let nothing: serde_json::Value = serde_json::from_str(&json(&empty())).expect("JSON");
    assert!(nothing["all"].is_null() && nothing["get"].is_null());
}

#[test]
fn what_is_no_report_is_refused_with_a_reason() {
    let newer = json(&empty()).replace("\"format\":1", "\"format\":99");
    let broken = json(&empty()).replace("\"series\":[", "\"series\":[[");
    let cases = [
        ("", "not a report"),
        ("{}", "not a report"),
        ("[1]", "not a report"),
        (&newer, "format 99"),
        (&broken, "not a report"),
    ];
    for (text, why) in cases {
        let refused = read_json(text).expect_err("refused");
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn text_stands_in_columns_and_passes_no_commands_to_the_terminal() {
    for outcome in all_kinds() {
        let text = text(&outcome);
        assert!(text.lines().all(|l| l == l.trim_end()), "{text}");
        if outcome.title != HOSTILE {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
    }
    let text = text(&searched());
    let tables: Vec<Vec<&str>> = text.split("\n\n").map(|t| t.lines().collect()).collect();
    let begins = |head: &str| tables.iter().find(|t| t[0].trim_start().starts_with(head)).expect(head);
    for (head, rows) in [("answers", 5), ("latency, us", 6), ("rate wanted", 10), ("objective", 4)] {
        let rows = &begins(head)[..rows];
        // The last column is set to the right and filled in every row but the head of some.
        let widths: Vec<usize> = rows.iter().skip(1).map(|r| r.chars().count()).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{head}: {widths:?}\n{}", rows.join("\n"));
    }
    for want in
        ["errors", "met", "NOT MET", "highest rate that held: 194 k/s", "open loop at 120 k/s, Poisson", "warning: "]
    {
        assert!(text.contains(want), "{want}\n{text}");
    }
}

/// Checks that tags nest and close, and returns all attributes. Scripts and styles are passed over.
fn attributes_of(page: &str) -> Vec<(String, String)> {
    const VOID: [&str; 4] = ["meta", "br", "link", "img"];
    let (mut open, mut attributes): (Vec<String>, Vec<(String, String)>) = Default::default();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        if let Some(after) = after.strip_prefix('!') {
            rest = after.split_once('>').expect("the doctype ends").1;
            continue;
        }
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags nest");
            continue;
        }
        let closed = tag.strip_suffix('/');
        let mut parts = closed.unwrap_or(tag).splitn(2, ' ');
        let name = parts.next().expect("a name");
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "<{tag}>");
        let mut words = parts.next().unwrap_or("").trim();
        while let Some((key, after)) = words.split_once('=').filter(|w| w.1.starts_with('"')) {
            let (value, after) = after[1..].split_once('"').expect("a value ends");
            let key = key.split_whitespace().last().expect("a key");
            attributes.push((key.into(), value.into()));
            words = after;
        }
        assert!(!words.contains(['"', '=']), "<{tag}>");
        if closed.is_none() && !VOID.contains(&name) {
            open.push(name.into());
        }
        if matches!(name, "script" | "style") {
            rest = &rest[rest.find(&format!("</{name}>")).expect("it ends")..];
        }
    }
    assert_eq!(open, Vec::<String>::new(), "all tags are closed");
    attributes
}

#[test]
fn pages_are_whole_and_fetch_nothing() {
    for (title, page) in pages() {
        for (key, value) in attributes_of(&page) {
            assert!(!matches!(key.as_str(), "src" | "href" | "srcset" | "action" | "style"), "{title}: {key}={value}");
            assert!(!key.starts_with("on"), "{title}: {key}={value}");
        }
        for foreign in ["http://", "https://", "@import", "url(", "<link", "<img", "<iframe"] {
            // The script names the namespace of SVG, which nobody fetches.
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(foreign), "{title}: {foreign}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf\"") && !page.contains("Infinity"), "{title}");
        // Each note under a chart, each heading: no empty parts.
        assert!(!page.contains("<h2></h2>") && !page.contains("<p></p>"), "{title}");
    }
}

#[test]
fn text_from_outside_never_becomes_markup() {
    let page = html(&hostile());
    assert!(!page.contains(HOSTILE) && !page.contains("<img") && !page.contains('\u{1b}'));
    assert!(page.contains(&escape(HOSTILE)));
    assert_eq!(escape("<a b='c' d=\"e\">&\u{0}"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;\u{fffd}");
}

#[test]
fn a_page_holds_its_data() {
    let outcome = hostile();
    let page = html(&outcome);
    let data = |at: usize| {
        let from = page.split_once(&format!("id=\"data{at}\">")).expect("embedded").1;
        from.split_once("</script>").expect("it ends").0
    };
    let back = read_json(data(0)).expect("the page's JSON is the report's");
    same(&json(&back), &json(&outcome));
    let percentiles: String = serde_json::from_str(data(1)).expect("a JSON string");
    assert!(percentiles.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)"), "{percentiles}");
}

#[test]
fn a_comparison_tells_ratios_and_what_was_not_the_same() {
    let mut other = made_up("b", 1, 2.0, true);
    other.connections = 7;
    let run = |outcome| Run { name: "same".into(), outcome };
    let page = compare_html(&[run(made_up("a", 1, 1.0, true)), run(other)]);
    assert!(page.contains("same (2)"), "names are told apart");
    assert!(page.contains("the runs differ in connections: 200; 7"));
    assert!(!page.contains("the runs differ in keys"));
    // All latencies outside the stall are twice as long.
    assert!(page.contains("2.00\u{a0}×") || page.contains("2\u{a0}×"), "the ratio of the medians");
}

#[test]
fn a_limit_below_which_rates_missed_is_told_to_be_noise() {
    let mut outcome = searched();
    let doubts = "did not hold when tried";
    assert!(!text(&outcome).contains(doubts) && !html(&outcome).contains(doubts));
    outcome.limit.as_mut().expect("searched")[2].met = false;
    assert!(text(&outcome).contains(doubts) && html(&outcome).contains(doubts));
    outcome.limit.as_mut().expect("searched").iter_mut().for_each(|p| p.met = false);
    assert!(text(&outcome).contains("no rate that was tried held") && !text(&outcome).contains(doubts));
}

/// The figures that a chart's script has under a name.
fn chart_values(page: &str, title: &str, name: &str) -> Vec<String> {
    let figure = page.split("<figure").find(|f| f.contains(&format!("<figcaption>{title}<"))).expect("the chart");
    let points =
        figure.split_once("class=\"points\">").expect("its points").1.split_once("</script>").expect("they end").0;
    let points: serde_json::Value = serde_json::from_str(points).expect("JSON");
    let line = points["lines"].as_array().expect("lines").iter().find(|l| l["n"] == name).expect("the line").clone();
    line["t"].as_array().expect("texts").iter().map(|t| t.as_str().expect("a text").replace('\u{a0}', " ")).collect()
}

#[test]
fn answers_that_came_after_the_measured_time_are_no_drop_of_the_rate() {
    let mut outcome = made_up("drained", 1, 1.0, true);
    let mut last = outcome.series.last().expect("made up").clone();
    (last.at_s, last.answers) = (60.0, 3);
    outcome.series.push(last);
    outcome.seconds = 60.01;
    let rates = chart_values(&html(&outcome), "Throughput", "answers");
    assert!(rates.len() > 200 && rates.iter().all(|r| r.ends_with("k/s")), "{:?}", rates.last());
    let latencies = chart_values(&html(&outcome), "Latency", "p50");
    assert_eq!(latencies.len(), 241, "their latencies count");
}

#[test]
fn charts_stand_alone_as_files() {
    let bars = Bars::new(HOSTILE, "answers a second", Unit::PerSecond, ["torc", HOSTILE])
        .ratios()
        .group("P=1", [Some(Bar::between(2e5, 1.9e5, 2.2e5)), None])
        .group("P=16", [Some(Bar::of(2e6)), Some(Bar::of(1e6))]);
    let chart =
        Chart::new("t", Axis::elapsed(), Axis::linear("y", Unit::Count)).line("a", Colour::Series(0), [(0.0, 1.0)]);
    for svg in [bars.svg(), bars.clone().own_scales().svg(), chart.svg()] {
        attributes_of(&svg);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && !svg.contains("<img"));
        assert!(svg.contains("--s0:") && svg.contains("prefers-color-scheme: dark"), "colours come with it");
    }
    assert!(bars.svg().contains("not run") && bars.svg().contains("(0.50\u{a0}×)"));
}

/// Points, clicks and measures like a reader, and leaves what it found in the page's title.
const READER: &str = "<script>
const found = [];
const say = (what, value) => found.push(`${what}=${value}`);
addEventListener('error', (e) => say('error', e.message));
addEventListener('securitypolicyviolation', (e) => say('refused', e.blockedURI));
// A window that is not shown has no frames to wait for.
setTimeout(() => {
  say('wider', document.documentElement.scrollWidth - document.documentElement.clientWidth);
  let empty = 0, tips = 0;
  for (const svg of document.querySelectorAll('svg[data-inside]')) {
    const box = svg.getBoundingClientRect();
    if (box.width === 0) continue;
    svg.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width * 0.7, clientY: box.top + 50 }));
    const tip = document.getElementById('tip');
    if (tip.hidden || !tip.textContent.match(/[0-9]/)) empty += 1; else tips += 1;
    const at = tip.getBoundingClientRect();
    if (at.left < 0 || at.right > document.documentElement.clientWidth) say('outside', tip.textContent);
    svg.dispatchEvent(new PointerEvent('pointerleave'));
    if (!tip.hidden) say('left', 'shown');
  }
  say('tips', tips > 0); say('empty', empty);
  const log = document.querySelector('.scales button[aria-pressed=false]');
  const plots = () => [...log.closest('.figure').querySelectorAll('.plot')].map((p) => getComputedStyle(p).display).join();
  const before = plots();
  log.click();
  say('scale', before !== plots() && log.getAttribute('aria-pressed'));
  const entry = document.querySelector('.legend button');
  entry.click();
  say('hides', document.querySelectorAll('[data-off]').length > 0);
  const dark = () => getComputedStyle(document.body).backgroundColor;
  const was = dark();
  document.getElementById('theme').click();
  say('theme', was !== dark());
  for (const text of document.querySelectorAll('svg text')) {
    const svg = text.closest('svg').getBoundingClientRect(), box = text.getBoundingClientRect();
    if (box.width > 0 && (box.left < svg.left - 2 || box.right > svg.right + 3)) say('cut', text.textContent);
  }
  document.title = found.join(' | ');
}, 0);
</script></body>";

#[test]
fn pages_work_in_a_browser() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|b| {
        Command::new(b).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    }) else {
        println!("skipped: no chromium is installed");
        return;
    };
    let dir = std::env::temp_dir().join(format!("torc-load-pages-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder for pages");
    let kinds = [
        html(&made_up("open", 1, 1.0, true)),
        html(&hostile()),
        compare_html(&[
            Run { name: "one".into(), outcome: searched() },
            Run { name: HOSTILE.into(), outcome: hostile() },
        ]),
    ];
    for (at, page) in kinds.iter().enumerate() {
        let file = dir.join(format!("{at}.html"));
        std::fs::write(&file, page.replace("</body>", READER)).expect("a page is written");
        for width in [1200, 420] {
            let output = Command::new("timeout")
                .args([
                    "120",
                    browser,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                ])
                .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom"])
                .arg("--virtual-time-budget=2000")
                .arg(format!("--user-data-dir={}", dir.join(format!("profile-{at}-{width}")).display()))
                .arg(format!("--window-size={width},900"))
                .arg(format!("file://{}", file.display()))
                // Its log is about the machine, not the page.
                .stderr(Stdio::null())
                .output()
                .expect("chromium was found");
            let dom = String::from_utf8_lossy(&output.stdout);
            let title = dom.split_once("<title>").and_then(|d| d.1.split_once("</title>")).map_or("", |t| t.0);
            let want = "wider=0 | tips=true | empty=0 | scale=true | hides=true | theme=true";
            assert_eq!(title, want, "page {at} at {width}");
        }
    }
    drop(std::fs::remove_dir_all(dir));
}

#[test]
fn a_page_of_plain_series_needs_no_run() {
    let chart = Chart::new("Memory", Axis::elapsed(), Axis::linear("resident", Unit::Bytes)).line(
        "torc",
        Colour::Series(0),
        (0..5000).map(|i| (f64::from(i), f64::from(i) * 1e6)),
    );
    let page = Page::new("series").section(Section::new("Memory").chart(chart)).html();
    attributes_of(&page);
    assert!(page.contains("GiB") && page.len() < 100_000, "{}", page.len());
}
