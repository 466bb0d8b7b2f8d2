//! Room: loadgen. How a run stands, drawn on stderr while it goes on. Touches: outcome's Live, report's numbers.
//!
//! Four views: a screen of its own on a terminal that can, one line that is drawn over, plain lines a few seconds apart
//! where stderr is a file or a pipe, and nothing. The screen is left as it was found, whether the run ends, fails, panics
//! or is stopped by a signal.

use crate::outcome::{Live, LiveCell, Stage};
use crate::report::page::{Unit, grouped};
use crossterm::cursor::{Hide, MoveTo, MoveToColumn, Show};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{Command, queue, terminal};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// The most that stderr can show.
    #[default]
    Best,
    Line,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Screen,
    Line,
    Plain,
    Nothing,
}

// Below this the figures of the screen do not fit.
const SCREEN_LEAST: (u16, u16) = (60, 16);
// A line drawn over: as often as the engine has news.
const LOOK: Duration = Duration::from_millis(100);
// Plain lines end up in logs: one in five seconds says enough.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

impl View {
    /// What stderr, as it is now, can show of what is wished.
    pub fn choose(wish: Wish) -> View {
        let is_dumb = std::env::var_os("TERM").is_none_or(|t| t.is_empty() || t == "dumb");
        View::of(wish, std::io::stderr().is_terminal(), is_dumb, terminal::size().ok())
    }

    fn of(wish: Wish, is_terminal: bool, is_dumb: bool, size: Option<(u16, u16)>) -> View {
        let is_large = size.is_some_and(|s| s.0 >= SCREEN_LEAST.0 && s.1 >= SCREEN_LEAST.1);
        match wish {
            Wish::Nothing => View::Nothing,
            _ if !is_terminal || is_dumb => View::Plain,
            Wish::Best if is_large => View::Screen,
            _ => View::Line,
        }
    }
}

/// Draws until it is finished or dropped.
pub struct Screen {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// `head` stands on top of a screen: the scenario and its targets.
    pub fn start(view: View, cell: Arc<LiveCell>, head: Vec<String>) -> Screen {
        let stop = Arc::new(AtomicBool::new(false));
        if view == View::Nothing {
            return Screen { stop, thread: None };
        }
        if view == View::Screen {
            leave_on_signals();
            IS_LEFT.store(false, Ordering::SeqCst);
            emit(&entering());
        }
        let seen = stop.clone();
        let thread = std::thread::Builder::new().name("live".into()).spawn(move || draw(view, &cell, &head, &seen));
        // Without a thread there is no view, and the run goes on all the same.
        let thread = thread.ok();
        if thread.is_none() && view == View::Screen && !IS_LEFT.swap(true, Ordering::SeqCst) {
            emit(&leaving());
        }
        Screen { stop, thread }
    }

    /// Draws a last time and gives the terminal back. What is printed afterwards stands where it should.
    pub fn finish(self) {}
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Its panic has been told already.
            drop(thread.join());
        }
    }
}

fn draw(view: View, cell: &LiveCell, head: &[String], stop: &AtomicBool) {
    let mut history = History::default();
    let mut last: Option<(u64, (u16, u16))> = None;
    let mut told: Option<Instant> = None;
    let mut has_drawn = false;
    let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    loop {
        // Read first: what is put before the stop is still drawn.
        let is_last = stop.load(Ordering::SeqCst);
        let live = cell.look();
        let size = terminal::size().unwrap_or((80, 24));
        if live.number > 0 && last.map(|l| l.0) != Some(live.number) {
            history.add(&live);
        }
        let is_news = last != Some((live.number, size)) && live.number > 0;
        match view {
            View::Screen if is_news && !IS_LEFT.load(Ordering::SeqCst) => {
                emit(&painted(&frame(&live, &history, head, size), is_coloured))
            }
            View::Line if is_news => {
                let mut out = Vec::new();
                let text = line(&live, usize::from(size.0.saturating_sub(1)));
                // Into a Vec, which takes all bytes.
                let _ = queue!(out, MoveToColumn(0), Print(text), Clear(ClearType::UntilNewLine));
                emit(&out);
                has_drawn = true;
            }
            View::Plain if is_news && told.is_none_or(|t| t.elapsed() >= PLAIN_EVERY) => {
                // The first comes after five seconds: a short run needs none.
                if told.is_some() {
                    emit(format!("{}\n", line(&live, usize::MAX)).as_bytes());
                }
                told = Some(Instant::now());
            }
            _ => {}
        }
        last = Some((live.number, size));
        if is_last {
            break;
        }
        std::thread::park_timeout(LOOK);
    }
    match view {
        // Leaving twice would put the cursor back over what was printed since.
        View::Screen if !IS_LEFT.swap(true, Ordering::SeqCst) => emit(&leaving()),
        View::Line if has_drawn => emit(b"\n"),
        _ => {}
    }
}

/// A view that cannot be drawn is no reason to end a run: errors of stderr are passed over.
fn emit(bytes: &[u8]) {
    let mut err = std::io::stderr().lock();
    drop(err.write_all(bytes).and_then(|()| err.flush()));
}

fn bytes_of(commands: &[&dyn Fn(&mut String) -> std::fmt::Result]) -> Vec<u8> {
    let mut text = String::new();
    for command in commands {
        // Into a String, which takes all text.
        let _ = command(&mut text);
    }
    text.into_bytes()
}

fn entering() -> Vec<u8> {
    bytes_of(&[
        &|out| EnterAlternateScreen.write_ansi(out),
        &|out| Hide.write_ansi(out),
        &|out| DisableLineWrap.write_ansi(out),
        &|out| Clear(ClearType::All).write_ansi(out),
    ])
}

fn leaving() -> Vec<u8> {
    bytes_of(&[
        &|out| EndSynchronizedUpdate.write_ansi(out),
        &|out| ResetColor.write_ansi(out),
        &|out| EnableLineWrap.write_ansi(out),
        &|out| Show.write_ansi(out),
        &|out| LeaveAlternateScreen.write_ansi(out),
    ])
}

/// What the handlers below write. A static because a signal handler is handed nothing.
static ON_SIGNAL: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();

/// Makes signals and panics that end this process leave the screen first. A signal that somebody handles already is left to
/// them: they will end the run, and with it the screen.
fn leave_on_signals() {
    if ON_SIGNAL.set((leaving(), entering())).is_err() {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IS_LEFT.swap(true, Ordering::SeqCst) {
            emit(&leaving());
        }
        before(panic);
    }));
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP] {
        // SAFETY: an all-zero `sigaction` is a valid value of that C struct; both pointers are to live locals; `on_signal`
        // calls only what signal-safety(7) lists.
        unsafe {
            let mut present: libc::sigaction = std::mem::zeroed();
            let is_default =
                libc::sigaction(signal, std::ptr::null(), &mut present) == 0 && present.sa_sigaction == libc::SIG_DFL;
            if is_default {
                let mut ours: libc::sigaction = std::mem::zeroed();
                ours.sa_sigaction = on_signal as *const () as libc::sighandler_t;
                ours.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal, &ours, std::ptr::null_mut());
            }
        }
    }
}

/// Whether the screen is not ours: before the first and after each, and once a signal or a panic has ended it.
static IS_LEFT: AtomicBool = AtomicBool::new(true);

extern "C" fn on_signal(signal: libc::c_int) {
    let Some((leave, enter)) = ON_SIGNAL.get() else { return };
    let was_left = IS_LEFT.swap(true, Ordering::SeqCst);
    // SAFETY: write, signal, raise and _exit are async-signal-safe (signal-safety(7)); the buffers live as long as the
    // process and are not changed after they were set, which was before this handler was installed.
    unsafe {
        if !was_left {
            libc::write(libc::STDERR_FILENO, leave.as_ptr().cast(), leave.len());
        }
        if signal == libc::SIGTSTP {
            // Returns when the process is continued.
            libc::raise(libc::SIGSTOP);
            if !was_left {
                libc::write(libc::STDERR_FILENO, enter.as_ptr().cast(), enter.len());
                IS_LEFT.store(false, Ordering::SeqCst);
            }
            return;
        }
        // Blocked until this handler returns, then fatal, so that the parent sees which signal it was.
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

fn time(ns: u64) -> String {
    if ns == 0 { "-".into() } else { Unit::Seconds.plain(ns as f64 / 1e9) }
}

fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

fn stage(live: &Live) -> String {
    let name = match live.stage {
        Stage::Connecting => "connecting",
        Stage::Populating => "populating",
        Stage::Warming => "warming up",
        Stage::Measuring => "measuring",
        Stage::Searching => "searching",
        Stage::Ended => "ended",
    };
    if live.phase.is_empty() { name.into() } else { format!("{name}, {}", shown(&live.phase)) }
}

/// Text from outside as it may reach a terminal: without control characters.
fn shown(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// One line of at most `width` characters; what does not fit whole is left out, from the right.
fn line(live: &Live, width: usize) -> String {
    let mut rate = Unit::PerSecond.plain(live.per_s);
    if let Some(wanted) = live.wanted_per_s {
        rate += &format!(" of {}", Unit::PerSecond.plain(wanted));
    }
    let mut parts = vec![format!("{} {:3.0} %", stage(live), live.progress.clamp(0.0, 1.0) * 100.0), rate];
    if live.errors > 0 {
        parts.push(format!("{} errors", grouped(live.errors)));
    }
    parts.push(format!("p50 {}", time(live.p50_ns)));
    parts.push(format!("p99 {}", time(live.p99_ns)));
    parts.push(format!("max {}", time(live.max_ns)));
    if let Some(left) = live.left_s {
        parts.push(format!("{} left", clock(left)));
    }
    parts.push(format!("p99.9 {}", time(live.p999_ns)));
    if live.late_max_ns > 0 {
        parts.push(format!("late {}", time(live.late_max_ns)));
    }
    parts.push(format!("{} answers", grouped(live.answers)));
    let mut out = String::new();
    for part in parts {
        let gap = if out.is_empty() { "" } else { "  " };
        if out.chars().count() + gap.len() + part.chars().count() > width {
            break;
        }
        out = out + gap + &part;
    }
    out
}

/// The course of a stage in at most `KEPT` values: when there are more, neighbours are joined two by two.
#[derive(Default)]
struct History {
    stage: Stage,
    rates: Course,
    p99s: Course,
    worst: Worst,
}

/// The worst of any interval of the stage.
#[derive(Default)]
struct Worst {
    p50_ns: u64,
    p90_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
    max_ns: u64,
    late_ns: u64,
}

impl History {
    fn add(&mut self, live: &Live) {
        if live.stage != self.stage {
            *self = History { stage: live.stage, ..History::default() };
        }
        self.rates.add(live.per_s);
        self.p99s.add(live.p99_ns as f64);
        let worst = &mut self.worst;
        worst.p50_ns = worst.p50_ns.max(live.p50_ns);
        worst.p90_ns = worst.p90_ns.max(live.p90_ns);
        worst.p99_ns = worst.p99_ns.max(live.p99_ns);
        worst.p999_ns = worst.p999_ns.max(live.p999_ns);
        worst.max_ns = worst.max_ns.max(live.max_ns);
        worst.late_ns = worst.late_ns.max(live.late_max_ns);
    }
}

struct Course {
    values: Vec<f64>,
    /// How many that were added make one value, and those that wait for their others.
    each: usize,
    waiting: Vec<f64>,
}

impl Default for Course {
    fn default() -> Course {
        Course { values: Vec::new(), each: 1, waiting: Vec::new() }
    }
}

// Twice the columns of a wide terminal.
const KEPT: usize = 400;

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

impl Course {
    fn add(&mut self, value: f64) {
        self.waiting.push(if value.is_finite() { value } else { 0.0 });
        if self.waiting.len() < self.each {
            return;
        }
        self.values.push(highest(&self.waiting));
        self.waiting.clear();
        if self.values.len() > KEPT {
            self.values = self.values.chunks(2).map(highest).collect();
            self.each *= 2;
        }
    }

    /// The whole course in at most `width` characters, the highest of what falls into one; zero is the lowest bar.
    fn sparkline(&self, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = highest(&self.values);
        let columns = self.values.len().min(width);
        let column = |c: usize| {
            let (from, to) = (c * self.values.len() / columns, (c + 1) * self.values.len() / columns);
            let share = if most > 0.0 { highest(&self.values[from..to]) / most } else { 0.0 };
            BARS[((share * 8.0).ceil() as usize).clamp(1, 8) - 1]
        };
        (0..columns).map(column).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Bold,
    Dim,
    Good,
    Rate,
    Late,
    Bad,
}

type Row = Vec<(Tone, String)>;

/// The screen as rows of at most `size.0` characters, at most `size.1` of them.
fn frame(live: &Live, history: &History, head: &[String], size: (u16, u16)) -> Vec<Row> {
    use Tone::{Bad, Bold, Dim, Good, Late, Plain, Rate};
    let width = usize::from(size.0);
    let is_stage_known = live.left_s.is_some() || live.progress > 0.0;
    let mut rows: Vec<Row> = Vec::new();
    for (at, text) in head.iter().enumerate() {
        rows.push(vec![(if at == 0 { Bold } else { Dim }, shown(text))]);
    }
    rows.push(vec![]);
    let progress = live.progress.clamp(0.0, 1.0);
    let mut times = format!("{} passed", clock(live.passed_s));
    if let Some(left) = live.left_s {
        times += &format!(", {} left", clock(left));
    }
    let mut row = vec![(Bold, format!("{:24} ", stage(live)))];
    if is_stage_known {
        let bar = width.saturating_sub(26 + 8 + times.chars().count() + 2).min(48);
        let full = (progress * bar as f64).round() as usize;
        row.push((Good, "█".repeat(full)));
        row.push((Dim, "░".repeat(bar - full)));
        row.push((Plain, format!(" {:3.0} %  ", progress * 100.0)));
    }
    row.push((Dim, times));
    rows.push(row);
    rows.push(vec![]);
    let mut row = vec![(Dim, "answers".into()), (Bold, format!("{:>14}", Unit::PerSecond.plain(live.per_s)))];
    if let Some(wanted) = live.wanted_per_s {
        row.push((Dim, format!("   wanted {}", Unit::PerSecond.plain(wanted))));
    }
    row.push((Dim, format!("   {} in all", grouped(live.answers))));
    rows.push(row);
    let spark =
        |course: &Course, tone: Tone| vec![(Plain, " ".repeat(8)), (tone, course.sparkline(width.saturating_sub(10)))];
    rows.push(spark(&history.rates, Rate));
    rows.push(vec![(Dim, format!("{:8}highest {}", "", Unit::PerSecond.plain(highest(&history.rates.values))))]);
    rows.push(vec![]);
    let columns =
        |name: &str, cells: [&str; 5]| cells.iter().fold(format!("{name:8}"), |row, cell| format!("{row}{cell:>10}"));
    rows.push(vec![(Dim, columns("latency", ["p50", "p90", "p99", "p99.9", "max"]))]);
    let times_of = |all: [u64; 5]| all.map(time);
    let now = times_of([live.p50_ns, live.p90_ns, live.p99_ns, live.p999_ns, live.max_ns]);
    rows.push(vec![(Bold, columns("now", now.each_ref().map(String::as_str)))]);
    let worst = &history.worst;
    let worst_times = times_of([worst.p50_ns, worst.p90_ns, worst.p99_ns, worst.p999_ns, worst.max_ns]);
    rows.push(vec![(Dim, columns("worst", worst_times.each_ref().map(String::as_str)))]);
    rows.push(spark(&history.p99s, Late));
    let top = highest(&history.p99s.values);
    rows.push(vec![(Dim, format!("{:8}p99, highest {}", "", time(top as u64)))]);
    rows.push(vec![]);
    let mut row = vec![
        (Dim, "errors".into()),
        (if live.errors > 0 { Bad } else { Good }, format!("{:>12}", grouped(live.errors))),
    ];
    if worst.late_ns > 0 {
        row.push((Dim, "   asked late by ".into()));
        row.push((Plain, time(live.late_max_ns)));
        row.push((Dim, format!(", at most {}", time(worst.late_ns))));
    }
    row.push((Dim, format!("   own CPU {:.2} cores", live.own_cpu)));
    rows.push(row);
    if let Some(error) = &live.first_error {
        rows.push(vec![(Bad, format!("first error: {}", shown(error)))]);
    }
    // A low terminal loses its empty rows before its figures.
    while rows.len() > usize::from(size.1) {
        match rows.iter().rposition(Vec::is_empty) {
            Some(empty) => drop(rows.remove(empty)),
            None => rows.truncate(usize::from(size.1)),
        }
    }
    rows.into_iter().map(|row| cut(row, width)).collect()
}

fn cut(row: Row, width: usize) -> Row {
    let mut left = width;
    let mut out = Row::new();
    for (tone, text) in row {
        let kept: String = text.chars().take(left).collect();
        left -= kept.chars().count();
        out.push((tone, kept));
    }
    out
}

/// The bytes that draw `rows` over what was there.
fn painted(rows: &[Row], is_coloured: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    // All into a Vec, which takes all bytes.
    let _ = queue!(out, BeginSynchronizedUpdate, MoveTo(0, 0));
    for (at, row) in rows.iter().enumerate() {
        let _ = queue!(out, MoveTo(0, at as u16));
        for (tone, text) in row {
            let colour = match tone {
                Tone::Good => Some(Color::Green),
                Tone::Rate => Some(Color::Blue),
                Tone::Late => Some(Color::Magenta),
                Tone::Bad => Some(Color::Red),
                Tone::Plain | Tone::Bold | Tone::Dim => None,
            };
            if let Some(colour) = colour.filter(|_| is_coloured) {
                let _ = queue!(out, SetForegroundColor(colour));
            }
            let attribute = match tone {
                Tone::Bold => Some(Attribute::Bold),
                Tone::Dim => Some(Attribute::Dim),
                _ => None,
            };
            if let Some(attribute) = attribute {
                let _ = queue!(out, SetAttribute(attribute));
            }
            let _ = queue!(out, Print(text), SetAttribute(Attribute::Reset));
        }
        let _ = queue!(out, Clear(ClearType::UntilNewLine));
    }
    let _ = queue!(out, MoveTo(0, rows.len() as u16), Clear(ClearType::FromCursorDown), EndSynchronizedUpdate);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Live {
        Live {
            number: 3,
            stage: Stage::Measuring,
            phase: "steady".into(),
            progress: 0.54,
            left_s: Some(28.0),
            passed_s: 32.0,
            answers: 7_168_200,
            errors: 80,
            per_s: 119_640.0,
            wanted_per_s: Some(120_000.0),
            p50_ns: 164_000,
            p90_ns: 271_000,
            p99_ns: 634_000,
            p999_ns: 1_200_000,
            max_ns: 3_400_000,
            late_max_ns: 59_000,
            own_cpu: 0.61,
            first_error: Some("OOM \u{1b}[2Jno".into()),
        }
    }

    #[test]
    fn the_view_is_what_stderr_can_show() {
        let cases = [
            (Wish::Best, true, false, Some((80, 24)), View::Screen),
            (Wish::Best, true, false, Some((59, 24)), View::Line),
            (Wish::Best, true, false, Some((80, 10)), View::Line),
            (Wish::Best, true, false, None, View::Line),
            (Wish::Line, true, false, Some((80, 24)), View::Line),
            (Wish::Best, true, true, Some((80, 24)), View::Plain),
            (Wish::Best, false, false, Some((80, 24)), View::Plain),
            (Wish::Line, false, false, None, View::Plain),
            (Wish::Nothing, true, false, Some((80, 24)), View::Nothing),
        ];
        for (wish, is_terminal, is_dumb, size, want) in cases {
            assert_eq!(View::of(wish, is_terminal, is_dumb, size), want, "{wish:?} {is_terminal} {is_dumb} {size:?}");
        }
    }

    #[test]
    fn a_line_fits_and_keeps_what_matters_most() {
        let whole = line(&some(), usize::MAX);
        let want = "measuring, steady  54 %  120 k/s of 120 k/s  80 errors  p50 164 µs  p99 634 µs  max 3.40 ms  0:28 left  \
                    p99.9 1.20 ms  late 59 µs  7,168,200 answers";
        assert_eq!(whole, want);
        for width in 0..200 {
            let cut = line(&some(), width);
            assert!(cut.chars().count() <= width && whole.starts_with(&cut), "{width}: {cut}");
        }
    }

    #[test]
    fn a_screen_fits_every_terminal_and_passes_no_commands_on() {
        let mut history = History::default();
        for number in 0..50 {
            history.add(&Live { per_s: f64::from(number), ..some() });
        }
        for size in [(0, 0), (1, 1), (20, 5), (60, 16), (80, 24), (250, 70)] {
            let rows = frame(&some(), &history, &["cache \u{7}".into(), "resp://h:1".into()], size);
            assert!(rows.len() <= usize::from(size.1), "{size:?}");
            for row in &rows {
                let text: String = row.iter().map(|p| p.1.as_str()).collect();
                assert!(text.chars().count() <= usize::from(size.0), "{size:?}: {text}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
        let rows = frame(&some(), &history, &["cache".into()], (80, 24));
        let text: Vec<String> = rows.iter().map(|r| r.iter().map(|p| p.1.as_str()).collect()).collect();
        for want in ["cache", "54 %", "0:28 left", "120 k/s", "634 µs", "first error: OOM", "own CPU 0.61"] {
            assert!(text.iter().any(|t| t.contains(want)), "{want}: {text:#?}");
        }
    }

    #[test]
    fn a_sparkline_shows_the_whole_course_and_keeps_peaks() {
        let mut course = Course::default();
        for at in 0..10_000 {
            course.add(if at == 5_000 { 800.0 } else { 100.0 });
        }
        assert!(course.values.len() <= KEPT + 1);
        let line: Vec<char> = course.sparkline(60).chars().collect();
        assert_eq!(line.len(), 60);
        let peaks: Vec<usize> = (0..60).filter(|at| line[*at] == '█').collect();
        assert_eq!(peaks.len(), 1, "{line:?}");
        assert!((25..35).contains(&peaks[0]), "in the middle: {peaks:?}");
        assert_eq!(Course::default().sparkline(60), "");
        let mut zero = Course::default();
        zero.add(f64::NAN);
        assert_eq!(zero.sparkline(60), "▁");
    }

    #[test]
    fn without_colour_no_colour_is_drawn() {
        let rows = frame(&some(), &History::default(), &[], (80, 24));
        let has_colour = |coloured| String::from_utf8_lossy(&painted(&rows, coloured)).contains("\u{1b}[38;5;");
        assert!(has_colour(true) && !has_colour(false));
    }
}
