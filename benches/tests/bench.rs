//! Room: benches, tests. `torc-bench` as a user runs it, against servers that really run: the torc of this tree, and
//! redis-server and memcached where they are installed. Runs are too short for the figures to mean anything; what is tested is
//! that they are there, that they agree with each other, and that what was not run says why.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("torc-bench-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }

    fn read(&self, name: &str) -> String {
        let path = self.0.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn bench(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torc-bench"));
    command.args(args).env("TORC_BENCH_TORC", torc()).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    bench(args).output().expect("torc-bench was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeds(args: &[&str]) -> String {
    let done = output(args);
    assert!(done.status.success(), "{args:?}: {}\n{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// The server of this tree. Where the whole workspace is tested it has been built; with the features of fewer packages it would
/// be built again, for minutes. `torc-bench` is told of it: tests that run at once should not all build it at once.
fn torc() -> &'static Path {
    static TORC: OnceLock<PathBuf> = OnceLock::new();
    TORC.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_torc-bench")).parent().expect("it lies in a folder");
        let profile = match folder.file_name().and_then(|name| name.to_str()).expect("a name") {
            "debug" => "dev",
            name => name,
        };
        let target = folder.parent().expect("cargo's target folder");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let built = std::fs::metadata(folder.join("torc")).and_then(|file| file.modified());
        let newest = newest(&workspace.join("server")).max(newest(&workspace.join("Cargo.lock")));
        if built.is_ok_and(|built| Some(built) > newest) {
            return folder.join("torc");
        }
        let done = Command::new(env!("CARGO"))
            .args(["build", "--profile", profile, "-p", "node", "--bin", "torc", "--target-dir"])
            .arg(target)
            .current_dir(workspace)
            .output()
            .expect("cargo runs this test");
        assert!(done.status.success(), "{}", text(&done.stderr));
        folder.join("torc")
    })
}

/// When something at or below a path was last changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let below = std::fs::read_dir(path).into_iter().flatten().flatten();
    below.map(|entry| newest(&entry.path())).fold(own, Ord::max)
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("SKIPPED in part: {program} is not installed");
    }
    found
}

/// Lines of a versus.csv without its head: section, case, server, round, metric, value. No case here has a quote in it.
fn figures(csv: &str) -> Vec<(String, String, String, String, f64)> {
    let lines = csv.lines().skip(1).map(|line| {
        let (head, value) = line.rsplit_once(',').expect("six fields");
        let (head, metric) = head.rsplit_once(',').expect("six fields");
        let (head, _round) = head.rsplit_once(',').expect("six fields");
        let (head, server) = head.rsplit_once(',').expect("six fields");
        let (section, case) = head.split_once(',').expect("six fields");
        let word = |text: &str| text.trim_matches('"').to_string();
        (word(section), word(case), word(server), word(metric), value.parse().expect("a number"))
    });
    lines.collect()
}

const SMALL: [&str; 18] = [
    "--snapshots-gb",
    "0.002",
    "--seconds",
    "0.2",
    "--connections",
    "4",
    "--keys",
    "1000",
    "--memory-keys",
    "4000",
    "--snapshot-keys",
    "4000",
    "--rates",
    "1000",
    "--elements",
    "2000",
    "--clients",
    "1500",
];

#[test]
fn versus_measures_all_that_is_installed_and_says_what_is_not() {
    torc();
    let (redis, memcached) = (is_installed("redis-server"), is_installed("memcached"));
    let folder = Folder::new("versus");
    let out = folder.0.to_str().expect("a path of text");
    let said = succeeds(&[&["versus", "--quick", "--out", out], &SMALL[..]].concat());
    let figures = figures(&folder.read("versus.csv"));
    let servers: BTreeSet<&str> = figures.iter().map(|figure| figure.2.as_str()).collect();
    assert!(servers.contains("torc"), "{said}");
    assert_eq!((servers.contains("redis"), servers.contains("memcached")), (redis, memcached), "{said}");
    // Each section has figures of torc.
    let base = ["throughput", "latency", "memory", "start", "snapshot", "log", "snapshots", "scaling"];
    let of_types = ["types", "types-memory", "disturbance", "blocking", "expiry", "pubsub"];
    for section in base.into_iter().chain(of_types) {
        assert!(figures.iter().any(|f| f.0 == section && f.2 == "torc"), "no {section} of torc:\n{said}");
    }
    // Each case of theirs is something that both can do.
    for (section, case, ..) in figures.iter().filter(|f| redis && of_types.contains(&f.0.as_str())) {
        let has = |server: &str| figures.iter().any(|f| f.0 == *section && f.1 == *case && f.2 == server);
        assert!(has("redis") && has("torc"), "{section}, {case}:\n{said}");
    }
    assert!(!redis || said.contains("| mean of the ratios | torc |"), "{said}");
    if redis {
        assert!(figures.iter().any(|f| f.0 == "snapshot" && f.2 == "redis" && f.3 == "restart_s"), "{said}");
    }
    // What the log costs is told beside the same server without one; a server that keeps none is not run.
    let of_log = |server: &str| figures.iter().any(|f| f.0 == "log" && f.2 == server && f.3 == "ops_beside_no_log");
    let why = said.lines().find(|line| line.starts_with("| torc | log"));
    assert!(of_log("torc") || why.is_some(), "{said}");
    assert!(!redis || of_log("redis"), "{said}");
    if is_installed("fio") {
        assert!(figures.iter().any(|f| f.0 == "snapshots" && f.2 == "torc" && f.3 == "share_of_device"), "{said}");
    }
    for (section, case, server, metric, value) in &figures {
        let may_be_negative = metric == "bytes_per_key_beyond_data";
        assert!(value.is_finite() && (*value >= 0.0 || may_be_negative), "{section} {case} {server} {metric}: {value}");
    }
    // What belongs together agrees: percentiles rise, an open loop holds its rate.
    let value = |case: &str, metric: &str| {
        figures.iter().find(|f| f.0 == "latency" && f.1 == case && f.2 == "torc" && f.3 == metric).map(|f| f.4)
    };
    let case = "RESP: 1,000 a second";
    let rising: Vec<f64> =
        ["p50_us", "p90_us", "p99_us", "p99.9_us", "max_us"].map(|m| value(case, m).expect("it is there")).to_vec();
    assert!(rising.is_sorted(), "{rising:?}");
    // 200 asks, Poisson: five times their root either way. Where others take the cores the load may come too late for that, but
    // not every time.
    let is_held = |rate: &f64| (600.0..1400.0).contains(rate);
    let rate = value(case, "ops_per_s").expect("it is there");
    let again = Folder::new("latency");
    let more = std::iter::repeat_with(|| {
        let out = again.0.to_str().expect("a path of text");
        let args = ["versus", "--quick", "--only", "torc", "--sections", "latency", "--out", out];
        succeeds(&[&args[..], &SMALL[..]].concat());
        let seen = self::figures(&again.read("versus.csv"));
        let found = seen.iter().find(|f| f.0 == "latency" && f.1 == case && f.2 == "torc" && f.3 == "ops_per_s");
        found.expect("it is there").4
    });
    assert!(std::iter::once(rate).chain(more).take(6).any(|rate| is_held(&rate)), "no run holds its rate: {rate}");
    let (html, markdown, svg) = (folder.read("versus.html"), folder.read("versus.md"), folder.read("versus.svg"));
    assert!(html.starts_with("<!doctype html>") && !html.contains("src=\"http"), "one self-contained page");
    assert!(markdown.contains("--shards 1") && markdown.contains("## Commands"), "{markdown}");
    assert!(svg.starts_with("<svg") || svg.starts_with("<?xml"), "{svg}");
    is_drawn_well(&folder.0.join("versus.html"));
    let left: Vec<_> = std::fs::read_dir(&folder.0).expect("it is there").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 4, "servers' files are gone: {left:?}");
}

/// Says in the page's title what a real browser makes of it.
const READER: &str = "<script>
setTimeout(() => {
  const found = [];
  const say = (name, value) => found.push(name + '=' + value);
  const page = document.documentElement;
  say('wider', Math.max(0, page.scrollWidth - page.clientWidth));
  say('sections', document.querySelectorAll('h2').length);
  say('pictures', document.querySelectorAll('svg').length > 0);
  let cut = 0;
  for (const text of document.querySelectorAll('svg text')) {
    const svg = text.closest('svg').getBoundingClientRect(), box = text.getBoundingClientRect();
    if (box.width > 0 && (box.left < svg.left - 2 || box.right > svg.right + 3)) cut++;
  }
  say('cut', cut);
  document.title = found.join(' ');
}, 0);
</script></body>";

/// Renders a page in headless Chromium, if it is installed, for a desk and for a phone: nothing is wider than the window, no
/// text of a picture is cut off, and every section is there.
fn is_drawn_well(page: &Path) {
    let named = |name: &&str| {
        let said = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        said.is_ok_and(|status| status.success())
    };
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(named) else {
        eprintln!("SKIPPED in part: no chromium is installed");
        return;
    };
    let folder = Folder::new("browser");
    let html = std::fs::read_to_string(page).expect("it was written");
    let sections = html.matches("<h2").count();
    let file = folder.0.join("page.html");
    std::fs::write(&file, html.replace("</body>", READER)).expect("the folder is writable");
    for width in [1200, 420] {
        let done = Command::new("timeout")
            .args(["120", browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom"])
            .args(["--virtual-time-budget=2000", &format!("--window-size={width},900")])
            .arg(format!("--user-data-dir={}", folder.0.join(format!("profile-{width}")).display()))
            .arg(format!("file://{}", file.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .expect("it told its version");
        let dom = text(&done.stdout);
        let title = dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map_or("", |(t, _)| t);
        assert_eq!(title, format!("wider=0 sections={sections} pictures=true cut=0"), "{width} pixels wide");
    }
}

#[test]
fn versus_takes_servers_from_a_file_and_divides_by_the_first_that_is_named() {
    let folder = Folder::new("file");
    let file = folder.0.join("peers.toml");
    let torc = torc().display();
    let peers = format!(
        "[[peer]]\nname = 'one'\nkind = 'torc'\npath = '{torc}'\n\
         [[peer]]\nname = 'two'\nkind = 'torc'\npath = '{torc}'\nargs = ['--maxclients', '500']\n\
         [[peer]]\nname = 'gone'\nkind = 'redis'\npath = '/no/such/file'\n"
    );
    std::fs::write(&file, peers).expect("the folder is writable");
    let out = folder.0.join("out");
    let (file, out) = (file.to_str().expect("text"), out.to_str().expect("text"));
    let args = [
        "versus",
        "--peers",
        file,
        "--out",
        out,
        "--only",
        "two,one,gone",
        "--sections",
        "throughput",
        "--rounds",
        "2",
    ];
    let said = succeeds(&[&args[..], &SMALL[..]].concat());
    let rows: Vec<&str> = said.lines().filter(|line| line.contains("| two |") || line.contains("| one |")).collect();
    let (first, second) =
        (rows.iter().find(|r| r.contains("RESP: 10")), rows.iter().find(|r| r.starts_with("|  | one |")));
    assert!(first.is_some_and(|row| row.contains("| two |") && !row.contains("**")), "{said}");
    assert!(second.is_some_and(|row| row.contains("**")), "{said}");
    assert!(said.contains("--maxclients 500"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("| gone |") && line.contains("/no/such/file")), "{said}");
    assert!(said.contains("| all | latency | not asked for"), "{said}");
}

#[test]
fn versus_refuses_what_it_cannot_do() {
    for (args, why) in [
        (&["versus", "--only", "mysql"][..], "no such server"),
        (&["versus", "--rounds", "0"][..], "at least 1"),
        (&["versus", "--load-cpus", "0"][..], "--server-cpus"),
        (&["versus", "--sections", "speed"][..], "none of throughput"),
        (&["versus", "--peers", "/no/such/file"][..], "/no/such/file"),
        (&["versus", "--record", "../x", "--only", "redis,torc"][..], "no name of a record"),
    ] {
        if args.contains(&"redis,torc") {
            torc();
        }
        let done = output(args);
        let said = text(&done.stderr);
        assert!(!done.status.success() && said.contains(why), "{args:?}: {said}");
    }
}

/// The servers must not outlive a runner that is killed.
#[test]
fn servers_end_when_the_runner_dies() {
    torc();
    let folder = Folder::new("dies");
    let out = folder.0.to_str().expect("a path of text");
    let args =
        ["versus", "--only", "torc", "--sections", "throughput", "--seconds", "60", "--keys", "1000", "--out", out];
    let mut runner = bench(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was built");
    let children = format!("/proc/{0}/task/{0}/children", runner.id());
    let until = Instant::now() + Duration::from_secs(120);
    // Before the server its children are git, cargo and the server's --version.
    let server = loop {
        let list = std::fs::read_to_string(&children).unwrap_or_default();
        let pids: Vec<String> = list.split_ascii_whitespace().map(str::to_string).collect();
        let is_server = |pid: &&String| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // By its title, once it has one.
            let line = text(&line);
            line.contains("--memcached-port") || line.contains("torc 127.0.0.1:")
        };
        if let Some(pid) = pids.iter().find(is_server) {
            break pid.clone();
        }
        assert!(Instant::now() < until, "no server was started");
        std::thread::sleep(Duration::from_millis(20));
    };
    runner.kill().expect("it is ours");
    runner.wait().expect("it is ours");
    let until = Instant::now() + Duration::from_secs(60);
    let proc = PathBuf::from(format!("/proc/{server}"));
    // A zombie that nobody has reaped is dead too.
    let is_gone = || {
        let stat = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
        stat.is_empty()
            || stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z') || rest.starts_with('X'))
    };
    while !is_gone() {
        assert!(Instant::now() < until, "the server lives on without its runner");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn regress_finds_no_loss_between_a_server_and_itself() {
    let torc = torc().to_str().expect("a path of text");
    // 60 %: on a machine where other tests run this is what a run of a fifth of a second can tell, and not always that: a
    // runner that finds losses where there are none finds them every time.
    let args = ["regress", "--base-bin", torc, "--this-bin", torc, "--rounds", "3", "--seconds", "0.2"];
    let args = [&args[..], &["--keys", "1000", "--connections", "4", "--max-loss", "60%"]].concat();
    let is_good = |done: &Output| done.status.success() && text(&done.stdout).contains("No loss beyond");
    let mut tries = std::iter::repeat_with(|| output(&args)).take(6);
    let done = tries.find(is_good).unwrap_or_else(|| output(&args));
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let said = text(&done.stdout);
    assert_eq!(said.lines().filter(|line| line.contains(" to ")).count(), 4, "{said}");
    assert!(said.contains("No loss beyond 60 % is shown"), "{said}");
}

#[test]
fn regress_tells_a_failure_from_a_loss() {
    for args in [
        &["regress", "--base", "no-such-commit"][..],
        &["regress", "--short", "--base", "no-such-commit"][..],
        &["regress", "--base-bin", "/no/such/file", "--this-bin", "/no/such/file"][..],
        &["regress", "--renew", "--base", "main"][..],
    ] {
        let done = output(args);
        let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
        let is_skipped = said.contains("SKIPPED") && done.status.success();
        assert!(done.status.code() == Some(2) || is_skipped, "{args:?}: {:?} {said}", done.status);
    }
}

/// A torc that runs for the length of a test.
struct Torc {
    child: std::process::Child,
    port: u16,
    _folder: Folder,
}

impl Torc {
    fn start(name: &str) -> Torc {
        // A port that was free may be taken before the server has it: another try finds another.
        (0..5).find_map(|_| Torc::try_start(name)).expect("torc starts on a free port")
    }

    fn try_start(name: &str) -> Option<Torc> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Below the ports that the kernel gives to whoever connects, of another hundred for each process.
        let place = std::process::id().wrapping_mul(100).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let (port, folder) = (12_000 + (place % 20_000) as u16, Folder::new(name));
        let child = Command::new(torc())
            .args([
                "--port",
                &port.to_string(),
                "--memcached-port",
                "0",
                "--shards",
                "1",
                "--loglevel",
                "warning",
                "--dir",
            ])
            .arg(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it was built");
        let mut torc = Torc { child, port, _folder: folder };
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match torc.id() {
                Ok(id) if id == torc.child.id() => return Some(torc),
                Ok(_) => return None,
                Err(_) if torc.child.try_wait().expect("it is ours").is_some() => return None,
                Err(e) => assert!(Instant::now() < until, "torc does not answer: {e}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The process id of whoever listens on the port.
    fn id(&self) -> std::io::Result<u32> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"INFO server\r\nQUIT\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        let id = said.lines().find_map(|line| line.strip_prefix("process_id:")?.parse().ok());
        id.ok_or_else(|| std::io::Error::other(said))
    }
}

impl Drop for Torc {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Each tool that is installed asks the same of one server; what it cost itself is told, and torc-load's ratio to it.
#[test]
fn loads_compares_load_generators_by_their_own_cpu_time() {
    torc();
    let others: Vec<&str> =
        ["redis-benchmark", "memtier_benchmark"].into_iter().filter(|name| is_installed(name)).collect();
    let mut args = vec!["loads", "--rounds", "2", "--seconds", "0.3", "--keys", "1000", "--pipelines", "16"];
    // Where the whole workspace is tested it is there.
    let own = torc().with_file_name("torc-load");
    if own.is_file() {
        args.extend(["--torc-load", own.to_str().expect("a path of text")]);
    }
    let said = succeeds(&args);
    for verb in ["GET", "SET"] {
        let row = format!("| {verb}, 16 in a pipeline | torc-load | ");
        assert!(said.lines().any(|line| line.starts_with(&row)), "{said}");
    }
    for other in others {
        let rows: Vec<&str> = said.lines().filter(|line| line.starts_with(&format!("|  | {other} | "))).collect();
        assert!(rows.len() == 2 && rows.iter().all(|row| row.contains("**")), "{said}");
    }
    let refused = output(&["loads", "--server", "memcached", "--rounds", "1"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("memcached"), "{}", text(&refused.stderr));
    let refused = output(&["loads", "--torc-load", "/no/such/file"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("/no/such/file"), "{}", text(&refused.stderr));
}

#[test]
fn probe_fill_and_idle_print_one_object_each() {
    let torc = Torc::start("probe");
    let target = format!("resp://127.0.0.1:{}", torc.port);
    let object = |args: &[&str]| -> serde_json::Value {
        let said = succeeds(args);
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{args:?}: {e}: {said}"))
    };
    let filled = object(&["fill", "--target", &target, "--keys", "2000"]);
    assert_eq!(filled["keys"], 2000, "{filled}");
    assert_eq!(filled["errors"], 0, "{filled}");
    let probed =
        object(&["probe", "--target", &target, "--rate", "500", "--duration", "500ms", "--populate", "--keys", "100"]);
    // 250 asks, Poisson: five times their root either way; where others take the cores, not every time.
    let is_right = |probed: &serde_json::Value| (170..330).contains(&probed["all"]["count"].as_u64().expect("a count"));
    let args = ["probe", "--target", &target, "--rate", "500", "--duration", "500ms", "--keys", "100"];
    let is_one_right = is_right(&probed) || (0..5).any(|_| is_right(&object(&args)));
    assert!(is_one_right, "{probed}");
    assert_eq!(probed["misses"], 0, "{probed}");
    assert!(probed["late"]["p99"].as_f64().is_some_and(|us| us >= 0.0), "{probed}");
    let pid = torc.child.id().to_string();
    let idle = object(&[
        "idle",
        "--target",
        &target,
        "--pid",
        &pid,
        "--connections",
        "50",
        "--duration",
        "300ms",
        "--ask-once",
    ]);
    assert_eq!(idle["connections"], 50, "{idle}");
    assert!(idle["rss_open"].as_u64() >= Some(1 << 20) && idle["cpu_percent"].as_f64() < Some(100.0), "{idle}");
    let nobody = output(&["probe", "--target", "resp://127.0.0.1:1", "--duration", "100ms"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody.stderr));
}
