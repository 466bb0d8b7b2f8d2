//! Room: benches, versus. What a run leaves behind: page, table, CSV and picture in a folder, and the record that is committed.
//! Touches: files.

use super::results::Results;
use super::{page, table};
use crate::cargo;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Page, table, CSV and picture; their paths.
pub fn write(results: &Results, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let csv = csv(results);
    let mut files =
        vec![("versus.html", page::html(results, &csv)), ("versus.md", table::markdown(results)), ("versus.csv", csv)];
    files.extend(page::picture(results).map(|svg| ("versus.svg", svg)));
    files.into_iter().map(|(name, content)| put(&folder.join(name), &content)).collect()
}

fn put(path: &Path, content: &str) -> Result<PathBuf, String> {
    std::fs::write(path, content).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path.to_path_buf())
}

/// Every figure of every round, one line each, so that medians can be made again.
pub fn csv(results: &Results) -> String {
    let mut out = String::from("section,case,server,round,metric,value\n");
    for f in &results.figures {
        let (section, metric) = (f.section.name(), f.metric.name());
        let _ = writeln!(out, "{section},{},{},{},{metric},{}", field(&f.case), field(&f.peer), f.round, f.value);
    }
    out
}

/// RFC 4180, section 2.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

/// The committed record of one run.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    stem: String,
}

impl Record {
    /// Refuses a name that is no name, and one that is taken: a record is never changed.
    pub fn new(host: &str, date: &str, what: &str) -> Result<Record, String> {
        Record::below(&cargo::workspace().join("benches/record"), host, date, what)
    }

    fn below(records: &Path, host: &str, date: &str, what: &str) -> Result<Record, String> {
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        for name in [host, what] {
            if !is_name(name) {
                return Err(format!("'{name}' is no name of a record: small letters, digits and hyphens"));
            }
        }
        let record = Record { folder: records.join(host), stem: format!("{date}-{what}") };
        for ending in ["md", "csv", "svg"] {
            let path = record.path(ending);
            if path.exists() {
                return Err(format!(
                    "{} is there already: a record is not changed, choose another name",
                    path.display()
                ));
            }
        }
        Ok(record)
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.stem))
    }

    pub fn write(&self, results: &Results) -> Result<Vec<PathBuf>, String> {
        let mut files = vec![("md", table::markdown(results)), ("csv", csv(results))];
        files.extend(page::picture(results).map(|svg| ("svg", svg)));
        self.put(&results.host, &files)
    }

    /// Files by their ending; `host` describes the host where none is described yet.
    pub fn put(&self, host: &str, files: &[(&str, String)]) -> Result<Vec<PathBuf>, String> {
        std::fs::create_dir_all(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        let described = self.folder.join("host.md");
        let mut written = Vec::new();
        if !described.exists() {
            written.push(put(&described, &format!("# Host\n\n{host}.\n"))?);
        }
        for (ending, content) in files {
            written.push(put(&self.path(ending), content)?);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::{Metric, Section};
    use super::*;

    #[test]
    fn a_record_is_written_once() {
        let records = std::env::temp_dir().join(format!("torc-bench-{}-record", std::process::id()));
        let mut results =
            Results { host: "a host".into(), peers: vec![("a".into(), "1".into())], ..Results::default() };
        results.add(Section::Throughput, "x, \"y\"", "a", 0, &[(Metric::OpsPerS, 1.5)]);
        let record = Record::below(&records, "vm-2", "2026-01-02", "versus").unwrap();
        record.write(&results).unwrap();
        let csv = std::fs::read_to_string(records.join("vm-2/2026-01-02-versus.csv")).unwrap();
        assert_eq!(csv, "section,case,server,round,metric,value\nthroughput,\"x, \"\"y\"\"\",a,0,ops_per_s,1.5\n");
        assert!(records.join("vm-2/2026-01-02-versus.md").is_file() && records.join("vm-2/host.md").is_file());
        let taken = Record::below(&records, "vm-2", "2026-01-02", "versus").unwrap_err();
        assert!(taken.contains("already"), "{taken}");
        for wrong in ["", "../x", "A b"] {
            assert!(Record::below(&records, "vm-2", "2026-01-02", wrong).is_err(), "{wrong}");
        }
        std::fs::remove_dir_all(records).unwrap();
    }
}
