//! Plays transcripts against a server: `play host:port [memcached-host:port] folder-or-file ...`. The server is emptied.

use cases::run::{Report, run};
use cases::{SocketTarget, files, parse};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (paths, addresses): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| Path::new(a).exists());
    let Some(resp) = addresses.first() else {
        eprintln!("play host:port [memcached-host:port] folder-or-file ...");
        return ExitCode::FAILURE;
    };
    let memcache = addresses.get(1).map(String::as_str);
    let mut target = match SocketTarget::new(resp, memcache, &["server", "config"]) {
        Ok(target) => target,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut report = Report::default();
    for path in &paths {
        let path = PathBuf::from(path);
        let all = if path.is_dir() { files(&path).unwrap_or_default() } else { vec![path] };
        for file in all {
            match std::fs::read_to_string(&file).map_err(|e| e.to_string()).and_then(|text| parse(&file, &text)) {
                Ok(cases) => cases.iter().for_each(|case| run(case, &mut target, &mut report)),
                Err(error) => report.failed.push(error),
            }
        }
    }
    print!("{}", report.summary());
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
