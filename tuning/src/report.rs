//! Room: tuning. What `check` found: for people as a table, for programs as JSON, for scripts as an exit code.

use crate::cpus;
use crate::effects::{Effect, Effects};
use crate::host::Host;
use crate::knob::{Change, Finding, Knob, Standing};
use serde::Serialize;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Good,
    /// This host does not have it, or hides it.
    Unknown,
    /// A fact: nothing to set.
    Noted,
    /// Not as would be tried; no effect is recorded on this kind of host, so nothing is recommended.
    Unproven,
    /// Not as recommended, and that is recorded to cost something.
    Poor,
    /// The server does not run.
    Stops,
}

impl Verdict {
    pub fn told(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Unknown => "unknown",
            Verdict::Noted => "noted",
            Verdict::Unproven => "unproven",
            Verdict::Poor => "POOR",
            Verdict::Stops => "STOPS",
        }
    }

    pub fn of(standing: Standing, effect: &Effect, host_kind: &str) -> Verdict {
        match standing {
            Standing::Good => Verdict::Good,
            Standing::Unknown => Verdict::Unknown,
            Standing::Noted => Verdict::Noted,
            Standing::Stops => Verdict::Stops,
            Standing::Off if effect.recommends(host_kind) => Verdict::Poor,
            Standing::Off => Verdict::Unproven,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub knob: &'static str,
    pub name: &'static str,
    pub group: &'static str,
    pub verdict: Verdict,
    pub current: String,
    /// What to set; `None` where no effect is recorded on this kind of host.
    pub recommended: Option<String>,
    /// What would be tried, recorded or not.
    pub candidate: String,
    pub why: &'static str,
    pub effect: Effect,
    pub effect_told: String,
    pub remedy: String,
    pub undo: &'static str,
    /// What `torc-tune apply` would write.
    pub changes: Vec<Change>,
    /// In a container: who can change it.
    pub in_container: Option<&'static str>,
}

#[derive(Serialize)]
pub struct HostLine {
    pub kind: String,
    pub kernel: String,
    pub cpus_online: usize,
    pub memory_bytes: Option<u64>,
    pub container: Option<&'static str>,
    pub shard_cpus: String,
    pub shard_source: String,
}

#[derive(Serialize)]
pub struct Report {
    pub torc_tune: &'static str,
    pub host: HostLine,
    pub exit_code: u8,
    pub knobs: Vec<Row>,
}

/// `check` ends with: nothing to mend.
pub const FINE: u8 = 0;
/// A knob with a recorded effect is off.
pub const POOR: u8 = 3;
/// Something stops the server.
pub const STOPS: u8 = 4;

pub fn look(host: &Host, knobs: &[Box<dyn Knob>], effects: &Effects) -> Report {
    let kind = host.kind();
    let container = host.container();
    let rows: Vec<Row> = knobs
        .iter()
        .map(|knob| {
            let Finding { standing, current, wanted, remedy, changes } = knob.look(host);
            let effect = effects.of(knob.id(), &kind);
            let candidate = wanted.unwrap_or_else(|| knob.recommended().to_string());
            Row {
                knob: knob.id(),
                name: knob.name(),
                group: knob.group().told(),
                verdict: Verdict::of(standing, &effect, &kind),
                current,
                recommended: effect.recommends(&kind).then(|| candidate.clone()),
                candidate,
                why: knob.why(),
                effect_told: effect.told(&kind),
                effect,
                remedy,
                undo: knob.undo(),
                changes,
                in_container: container.map(|_| knob.reach().in_container()),
            }
        })
        .collect();
    let exit_code = match rows.iter().map(|row| row.verdict).max() {
        Some(Verdict::Stops) => STOPS,
        Some(Verdict::Poor) => POOR,
        _ => FINE,
    };
    let host_line = HostLine {
        kind,
        kernel: host.read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        cpus_online: host.online().len(),
        memory_bytes: host.meminfo("MemTotal"),
        container,
        shard_cpus: cpus::list_text(&host.shards.cpus),
        shard_source: host.shards.source.clone(),
    };
    Report { torc_tune: env!("CARGO_PKG_VERSION"), host: host_line, exit_code, knobs: rows }
}

pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("strings and numbers only") + "\n"
}

/// The table, then each knob that is not as it could be; with `all`, every knob.
pub fn text(report: &Report, all: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| writeln!(out, "{}", text.trim_end()).expect("a String takes all text");
    let host = &report.host;
    line(&format!("{}, Linux {}; shards on {} ({})", host.kind, host.kernel, host.shard_cpus, host.shard_source));
    if let Some(container) = host.container {
        line(&format!("inside a container ({container}): what only the host can change is said below"));
    }
    let columns = |row: &Row| {
        let wanted = match &row.recommended {
            Some(wanted) => wanted.clone(),
            None => format!("({})", row.candidate),
        };
        [row.name.to_string(), row.verdict.told().to_string(), row.current.clone(), wanted]
    };
    let width = |at: usize| report.knobs.iter().map(|row| columns(row)[at].chars().count()).max().unwrap_or(0).min(48);
    let widths = [width(0), 8, width(2)];
    let mut group = "";
    line(&pad(["", "", "now", "recommended; in parentheses: not, for want of a recorded effect"], &widths));
    for row in &report.knobs {
        if row.group != group {
            group = row.group;
            line(group);
        }
        let [name, verdict, current, wanted] = columns(row);
        line(&pad([&name, &verdict, &current, &wanted], &widths));
    }
    for row in &report.knobs {
        if !all && row.verdict < Verdict::Noted {
            continue;
        }
        line(&format!("\n{} [{}]: {}, {}", row.name, row.knob, row.verdict.told(), row.current));
        line(&wrap("", row.why));
        line(&wrap("effect: ", &row.effect_told));
        match (&row.recommended, row.remedy.is_empty()) {
            (_, true) => {}
            (Some(_), false) => line(&wrap("to change it: ", &row.remedy)),
            (None, false) => {
                line(match &row.effect {
                    Effect::Against { .. } => "  not recommended: a record speaks against it",
                    Effect::NoneSeen { .. } => "  not recommended: measured, and no effect was seen",
                    _ => "  not recommended: no effect is recorded on this kind of host",
                });
                line(&wrap("to try it: ", &row.remedy));
            }
        }
        if !row.changes.is_empty() {
            line(&format!("  or: torc-tune apply {} --yes", row.knob));
        }
        if !row.remedy.is_empty() || all {
            line(&wrap("to undo: ", row.undo));
        }
        if let Some(who) = row.in_container {
            line(&wrap("in this container: ", who));
        }
    }
    let count = |verdict: Verdict| report.knobs.iter().filter(|row| row.verdict == verdict).count();
    line(&format!(
        "\n{} good, {} poor, {} stop the server, {} unproven, {} noted, {} unknown",
        count(Verdict::Good),
        count(Verdict::Poor),
        count(Verdict::Stops),
        count(Verdict::Unproven),
        count(Verdict::Noted),
        count(Verdict::Unknown)
    ));
    out
}

fn pad(columns: [&str; 4], widths: &[usize; 3]) -> String {
    let [name, verdict, current, wanted] = columns;
    let [a, b, c] = *widths;
    format!("  {name:a$}  {verdict:b$}  {current:c$}  {wanted}")
}

fn wrap(head: &str, text: &str) -> String {
    const WIDTH: usize = 110;
    let mut out = format!("  {head}");
    let mut column = out.chars().count();
    let mut first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column + 1 + length > WIDTH && !first {
            out.push_str("\n    ");
            column = 4;
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        first = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knobs;

    const EFFECTS: &str = "
        [[effect]]
        knob = 'somaxconn'
        kind = 'measured'
        host = 'metal-8cpu'
        record = 'metal-8cpu/x.md'
        effect = 'slow connects'
        [[effect]]
        knob = 'kernel'
        kind = 'required'
        effect = 'no start'
        proof = 'x'
    ";

    #[test]
    fn every_knob_is_shown_and_what_is_wrong_is_explained() {
        const SLOW: (&str, &str) = ("/proc/sys/net/core/somaxconn", "128\n");
        const OLD: (&str, &str) = ("/proc/sys/kernel/osrelease", "5.4.0\n");
        const THP: (&str, &str) = ("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
        const VIRTUAL: (&str, &str) = ("/proc/cpuinfo", "flags : hypervisor\n");
        const DOCKER: (&str, &str) = ("/.dockerenv", "");
        type Case<'a> = (&'a [(&'a str, &'a str)], u8, &'a [&'a str]);
        let cases: &[Case] = &[
            (&[SLOW], POOR, &["POOR", "slow connects (benches/record/metal-8cpu/x.md)", "apply somaxconn"]),
            (
                &[SLOW, VIRTUAL],
                FINE,
                &["unproven", "not recommended: no effect is recorded", "not on a host like this one"],
            ),
            (&[SLOW, OLD], STOPS, &["STOPS", "install a kernel of 6.1", "no start"]),
            (&[THP, DOCKER], FINE, &["inside a container (docker)", "only the host can change it", "(madvise)"]),
            (&[], FINE, &["0 poor, 0 stop the server, 0 unproven"]),
        ];
        let effects = Effects::parse(EFFECTS).expect("sound rows");
        for (number, (files, exit_code, mentions)) in cases.iter().enumerate() {
            let made = Made::of(&format!("report-{number}"), files);
            let report = look(&made.host, &knobs::all(), &effects);
            assert_eq!(report.exit_code, *exit_code, "{files:?}");
            let text = text(&report, false);
            for mention in *mentions {
                assert!(text.contains(mention), "'{mention}' in {text}");
            }
            let value: serde_json::Value = serde_json::from_str(&json(&report)).expect("valid JSON");
            for (row, knob) in value["knobs"].as_array().expect("a list").iter().zip(knobs::all()) {
                assert_eq!(row["knob"], knob.id());
                assert!(text.contains(knob.name()), "{text}");
                // No recommendation without a recorded effect.
                let recorded = ["measured", "required"].contains(&row["effect"]["kind"].as_str().unwrap_or(""));
                assert!(recorded || row["recommended"].is_null(), "{row}");
            }
        }
    }

    #[test]
    fn names_of_knobs_are_their_own() {
        let mut ids: Vec<&str> = knobs::all().iter().map(|knob| knob.id()).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        for knob in knobs::all() {
            assert!(
                !knob.undo().is_empty() && !knob.why().is_empty() && !knob.recommended().is_empty(),
                "{}",
                knob.id()
            );
        }
    }
}
