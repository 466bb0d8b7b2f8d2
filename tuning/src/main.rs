//! Room: tuning. `torc-tune`: whether this host lets the server run well. Touches: /proc and /sys, for reading only.
//!
//! A knob is a file in `knobs/`; the table and the JSON are both made from the list of them.

mod cgroup;
mod knob;
mod knobs;
mod limits;
mod ring;

use clap::{Args, Parser, Subcommand};
use knob::{Finding, Host, Knob, Verdict};
use std::fmt::Write;

/// Looks at what decides how well the server can run on this host. Changes nothing.
#[derive(Parser)]
#[command(name = "torc-tune", version)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Shows every knob: how it stands, what is recommended and why
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

fn main() {
    let What::Check(check) = Options::parse().what;
    let host = Host::new("/", ring::try_one);
    let found: Vec<_> = knobs::all().into_iter().map(|knob| (knob.look(&host), knob)).collect();
    print!("{}", if check.json { json(&found) } else { text(&found) });
}

type Found = [(Finding, Box<dyn Knob>)];

fn text(found: &Found) -> String {
    let mut out = String::new();
    let names = found.iter().map(|(_, knob)| knob.name().len()).max().unwrap_or(0);
    let currents = found.iter().map(|(finding, _)| finding.current.len()).max().unwrap_or(0).max("now".len());
    let mut line = |text: String| writeln!(out, "{}", text.trim_end()).expect("a String takes all text");
    line(format!("{:names$}  {:8}{:currents$}  recommended", "knob", "", "now"));
    for (finding, knob) in found {
        let verdict = finding.verdict.told();
        line(format!("{:names$}  {verdict:8}{:currents$}  {}", knob.name(), finding.current, knob.recommended()));
    }
    for (finding, knob) in found.iter().filter(|(finding, _)| finding.verdict > Verdict::Unknown) {
        line(format!("\n{}: {}", knob.name(), finding.current));
        line(wrap(knob.why(), 100));
        line(format!("  to change it: {}", finding.remedy));
    }
    out
}

fn wrap(text: &str, width: usize) -> String {
    let mut out = String::from(" ");
    let mut column = 1;
    for word in text.split_whitespace() {
        if column + word.len() >= width {
            out.push_str("\n ");
            column = 1;
        }
        out.push(' ');
        out.push_str(word);
        column += word.len() + 1;
    }
    out
}

fn json(found: &Found) -> String {
    let objects: Vec<String> = found
        .iter()
        .map(|(finding, knob)| {
            format!(
                "{{\"knob\":{},\"current\":{},\"recommended\":{},\"verdict\":{},\"why\":{},\"remedy\":{}}}",
                quote(knob.name()),
                quote(&finding.current),
                quote(knob.recommended()),
                quote(&finding.verdict.told().to_lowercase()),
                quote(knob.why()),
                quote(&finding.remedy)
            )
        })
        .collect();
    format!("[{}]\n", objects.join(",\n"))
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_is_shown_and_every_poor_one_explained() {
        let host = knob::tests::Made::of("report", &[("/proc/sys/kernel/osrelease", "5.4.0\n")]);
        let found: Vec<_> = knobs::all().into_iter().map(|knob| (knob.look(&host.host), knob)).collect();
        let (text, json) = (text(&found), json(&found));
        for (_, knob) in &found {
            assert!(text.contains(knob.name()), "{text}");
            assert!(json.contains(&quote(knob.name())), "{json}");
        }
        assert!(text.contains("install a kernel of 6.1") && json.contains("\"verdict\":\"stops\""), "{text}");
    }
}
