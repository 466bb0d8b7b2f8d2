//! Room: tools. What `torc` does beside being a server: `torc verify`, `torc export`, `torc restore`, `torc backups`. No server has to
//! run, none is disturbed. Touches: backup, log (texts of errors), process (the time).

mod backups;
mod export;
mod restore;
mod verify;

use clap::{Parser, Subcommand};
use std::ffi::OsString;

#[derive(Parser)]
#[command(
    name = "torc",
    version,
    about = "Torc's tools for files. Without a tool's name torc is the server: torc --help"
)]
struct Command {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Check snapshots, backups and RDB files without loading them into a server
    Verify(verify::Options),
    /// Make one RDB file of a snapshot, a backup or several RDB files
    Export(export::Options),
    /// Make a data folder of a backup, of a snapshot or of RDB files
    Restore(restore::Options),
    /// List the backups in a folder or in S3
    Backups(backups::Options),
}

/// The exit code, if the first word names a tool: 0 well, 1 something is wrong with the data or the files, 2 with the words.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Option<i32> {
    let args: Vec<OsString> = args.into_iter().collect();
    if !matches!(args.get(1)?.to_str()?, "verify" | "export" | "restore" | "backups") {
        return None;
    }
    let command = match Command::try_parse_from(args) {
        Ok(command) => command,
        Err(said) => {
            // Where it cannot be printed nobody reads it.
            let _ = said.print();
            return Some(said.exit_code());
        }
    };
    let done = match command.tool {
        Tool::Verify(options) => verify::run(&options),
        Tool::Export(options) => export::run(&options),
        Tool::Restore(options) => restore::run(&options),
        Tool::Backups(options) => backups::run(&options),
    };
    Some(match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    })
}
