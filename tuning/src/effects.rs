//! Room: tuning. The table of recorded effects: what each knob was seen to do, and where that is written down. Touches: nothing.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// The server does not start, or gives less, without it. `proof` is a test in tuning/tests/requirements.rs.
    Required { effect: String, proof: String },
    /// Seen to matter. `record` is below benches/record/.
    Measured { host: String, record: String, effect: String },
    /// Measured, and no difference beyond the spread.
    NoneSeen { host: String, record: String, effect: String },
    /// Measured, and what would have been recommended was worse.
    Against { host: String, record: String, effect: String },
    /// `why` says what it would take.
    NotMeasured { why: String },
    /// Nothing to set.
    Fact { what: String },
}

#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub knob: String,
    #[serde(flatten)]
    pub effect: Effect,
}

#[derive(Deserialize)]
struct Table {
    effect: Vec<Row>,
}

pub struct Effects(Vec<Row>);

impl Effects {
    /// The table that this program was built with.
    pub fn built_in() -> Effects {
        Effects::parse(include_str!("effects.toml")).expect("effects.toml is read by a test of this file")
    }

    pub fn parse(text: &str) -> Result<Effects, String> {
        toml::from_str::<Table>(text).map(|table| Effects(table.effect)).map_err(|e| format!("effects.toml: {e}"))
    }

    /// The row for a knob on this kind of host (`vm-2vcpu`): one of the same sort, virtual or not, before all others, since what
    /// a knob of the CPU or the card does there says little about the other sort.
    pub fn of(&self, knob: &str, host_kind: &str) -> Effect {
        let rows: Vec<&Effect> = self.0.iter().filter(|row| row.knob == knob).map(|row| &row.effect).collect();
        let here = rows.iter().find(|e| e.recorded_on().is_some_and(|host| same_sort(host, host_kind)));
        match here.or(rows.first()) {
            Some(effect) => (*effect).clone(),
            None => Effect::NotMeasured { why: "no row in effects.toml".into() },
        }
    }

    /// `text`, a file of rows, with `row` in it: in place of the knob's row of that host, or of the one that says that nothing is
    /// recorded; else beside the knob's others. What else the file says stays as it is.
    pub fn put(text: &str, row: &str) -> Result<String, String> {
        let new = Effects::parse(row)?.0.pop().ok_or("no row")?;
        let starts: Vec<usize> =
            text.match_indices("[[effect]]").map(|(at, _)| at).filter(|at| is_line(text, *at)).collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let mut place = text.len()..text.len();
        for (start, end) in starts.iter().copied().zip(ends) {
            let old = Effects::parse(&text[start..end])?.0.pop().ok_or("no row")?;
            if old.knob != new.knob {
                continue;
            }
            let same_host = old.effect.recorded_on().is_some_and(|host| Some(host) == new.effect.recorded_on());
            if same_host || matches!(old.effect, Effect::NotMeasured { .. }) {
                place = start..end;
                break;
            }
            place = end..end;
        }
        let (before, after) = (text[..place.start].trim_end(), text[place.end..].trim_start());
        let parts = [before, row.trim(), after].into_iter().filter(|part| !part.is_empty());
        let text = parts.collect::<Vec<_>>().join("\n\n") + "\n";
        Effects::parse(&text).map(|_| text.trim_end().to_string() + "\n")
    }

    #[cfg(test)]
    fn rows(&self) -> &[Row] {
        &self.0
    }
}

impl Effect {
    fn recorded_on(&self) -> Option<&str> {
        match self {
            Effect::Measured { host, .. } | Effect::NoneSeen { host, .. } | Effect::Against { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Whether it makes a recommendation on a host of this kind.
    pub fn recommends(&self, host_kind: &str) -> bool {
        match self {
            Effect::Required { .. } => true,
            Effect::Measured { host, .. } => same_sort(host, host_kind),
            _ => false,
        }
    }

    /// For people: the effect and where it is recorded.
    pub fn told(&self, host_kind: &str) -> String {
        let elsewhere = |host: &str| match same_sort(host, host_kind) {
            true => String::new(),
            false => format!(" (measured on {host}, not on a host like this one)"),
        };
        match self {
            Effect::Required { effect, proof } => format!("{effect} (tuning/tests/requirements.rs, {proof})"),
            Effect::Measured { host, record, effect } => {
                format!("{effect} (benches/record/{record}){}", elsewhere(host))
            }
            Effect::NoneSeen { host, record, effect } => {
                format!("none seen: {effect} (benches/record/{record}){}", elsewhere(host))
            }
            Effect::Against { host, record, effect } => {
                format!("speaks against it: {effect} (benches/record/{record}){}", elsewhere(host))
            }
            Effect::NotMeasured { why } => format!("not recorded: {why}"),
            Effect::Fact { what } => what.clone(),
        }
    }
}

fn is_line(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes()[at - 1] == b'\n'
}

/// `vm-2vcpu` and `vm-16vcpu` are of one sort.
fn same_sort(a: &str, b: &str) -> bool {
    let sort = |kind: &str| kind.split('-').next().unwrap_or("").to_string();
    sort(a) == sort(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_knob_has_a_row_and_every_row_what_it_names() {
        let effects = Effects::built_in();
        let ids: Vec<&str> = crate::knobs::all().iter().map(|knob| knob.id()).collect();
        for id in &ids {
            assert!(effects.rows().iter().any(|row| row.knob == *id), "{id} has no row");
        }
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let proofs = std::fs::read_to_string(project.join("tuning/tests/requirements.rs")).expect("the proofs");
        for row in effects.rows() {
            assert!(ids.contains(&row.knob.as_str()), "{} is no knob", row.knob);
            match &row.effect {
                Effect::Required { proof, .. } => assert!(proofs.contains(&format!("fn {proof}()")), "{proof}"),
                Effect::Measured { host, record, .. }
                | Effect::NoneSeen { host, record, .. }
                | Effect::Against { host, record, .. } => {
                    assert!(record.starts_with(host.as_str()), "{record} is not of {host}");
                    assert!(project.join("benches/record").join(record).is_file(), "{record} is not there");
                }
                Effect::NotMeasured { .. } | Effect::Fact { .. } => {}
            }
        }
    }

    #[test]
    fn a_record_counts_on_hosts_of_its_sort() {
        const ROWS: &str = "
            [[effect]]
            knob = 'x'
            kind = 'measured'
            host = 'metal-32cpu'
            record = 'metal-32cpu/a.md'
            effect = '1.5 x'
            [[effect]]
            knob = 'x'
            kind = 'none-seen'
            host = 'vm-2vcpu'
            record = 'vm-2vcpu/a.md'
            effect = '1.00 x'
        ";
        let effects = Effects::parse(ROWS).expect("sound rows");
        let cases = [
            ("x", "metal-8cpu", true, "1.5 x"),
            ("x", "vm-4vcpu", false, "none seen"),
            ("y", "vm-4vcpu", false, "no row"),
        ];
        for (knob, kind, recommends, mentions) in cases {
            let effect = effects.of(knob, kind);
            assert_eq!(effect.recommends(kind), recommends, "{effect:?}");
            assert!(effect.told(kind).contains(mentions), "{effect:?}");
        }
        assert!(Effects::parse("[[effect]]\nknob = 'x'\nkind = 'guessed'").is_err());
    }

    #[test]
    fn a_new_row_takes_its_place() {
        let row = |knob: &str, host: &str, effect: &str| {
            format!(
                "[[effect]]\nknob = '{knob}'\nkind = 'measured'\nhost = '{host}'\nrecord = '{host}/a.md'\neffect = '{effect}'\n"
            )
        };
        let not_yet = |knob: &str| format!("[[effect]]\nknob = '{knob}'\nkind = 'not-measured'\nwhy = 'not yet'\n");
        let start =
            format!("# What [[effect]] means.\n\n{}\n{}\n{}", not_yet("a"), not_yet("b"), row("c", "vm-1", "old"));
        // In place of what said nothing, of the same host's, beside another host's, and at the end.
        let mut text = start;
        for (knob, host, effect, rows) in [
            ("a", "vm-1", "first", 3),
            ("c", "vm-1", "second", 3),
            ("a", "metal-8", "third", 4),
            ("d", "vm-1", "fourth", 5),
        ] {
            text = Effects::put(&text, &row(knob, host, effect)).expect("sound");
            let effects = Effects::parse(&text).expect("sound");
            assert_eq!(effects.rows().len(), rows, "{text}");
            assert!(effects.of(knob, host).told(host).contains(effect), "{text}");
        }
        assert!(
            text.starts_with("# What [[effect]] means.\n\n[[effect]]\nknob = 'a'") && !text.contains("old"),
            "{text}"
        );
        assert!(text.ends_with("fourth'\n") && !text.contains("\n\n\n"), "{text}");
        let knobs: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("knob = ")).collect();
        assert_eq!(knobs, ["'a'", "'a'", "'b'", "'c'", "'d'"]);
        assert!(Effects::put(&text, "[[effect]]\nknob = 'x'").is_err());
    }
}
