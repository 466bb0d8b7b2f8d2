//! Room: tuning. The command line.

use crate::shards::Asked;
use crate::{cpus, knob};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
EXIT CODES
   0  done; of check: nothing that has a recorded effect is off
   1  it could not be done; the reason is on stderr
   3  check: something that has a recorded effect is off
   4  check: something stops the server
   5  root is needed; nothing was changed
  64  the command line is not understood";

/// What this host allows a Torc server, what could be set, what setting it was seen to do, and how to take it back.
#[derive(Parser, Debug)]
#[command(name = "torc-tune", version, after_help = AFTER_HELP)]
pub struct Options {
    /// Read (and write) the files of a host laid out below this folder
    #[arg(long, hide = true, default_value = "/", global = true)]
    pub root: PathBuf,
    #[command(subcommand)]
    pub what: What,
}

#[derive(Subcommand, Debug)]
pub enum What {
    /// Looks at every knob: how it stands, what is recommended, why, what it was seen to do. Changes nothing, needs no root
    Check(Check),
    /// Sets what is recommended and safe to set while the host runs; a dry run unless --yes is given
    Apply(Apply),
    /// Takes back what apply has set; a dry run unless --yes is given
    Undo(Undo),
    /// Compares settings of a knob on this host with a server and load of its own, puts back what it set, and writes a record
    Measure(Measure),
    /// How many shards on which cores with which limits for a workload, from measurement on this host
    Advise(Advise),
    /// Writes units for systemd and the directives they start the server with, made for this host
    Systemd(Systemd),
    /// Writes a drop-in for sysctl.d with what is recommended on this host
    Sysctl(Sysctl),
}

/// Where the shards run.
#[derive(Args, Debug, Clone)]
pub struct Place {
    /// CPUs of the shards, such as 2-5,8 [default: those of the torc that runs, else all usable ones]
    #[arg(long, value_parser = cpu_list)]
    pub cpus: Option<Cpus>,
    /// How many shards
    #[arg(long)]
    pub shards: Option<usize>,
    /// The server's process [default: any called torc]
    #[arg(long)]
    pub pid: Option<u32>,
    /// The folder that the server keeps its files in
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
}

/// A list of CPUs: a type of its own, so that clap does not take a list for repeated values.
#[derive(Clone, Debug)]
pub struct Cpus(pub Vec<u32>);

impl Place {
    pub fn asked(&self) -> Asked {
        Asked { pid: self.pid, cpus: self.cpus.as_ref().map(|c| c.0.clone()), shards: self.shards }
    }
}

#[derive(Args, Debug)]
pub struct Check {
    #[command(flatten)]
    pub place: Place,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
    /// Explain every knob, not only those that could be better
    #[arg(long)]
    pub all: bool,
}

#[derive(Args, Debug)]
pub struct Apply {
    /// Knobs by their short names, recommended or not [default: all that check calls poor]
    pub knobs: Vec<String>,
    #[command(flatten)]
    pub place: Place,
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Where changes are kept for undo [default: /var/lib/torc-tune/changes.json]
    #[arg(long)]
    pub state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Undo {
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Where changes were kept [default: /var/lib/torc-tune/changes.json]
    #[arg(long)]
    pub state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Systemd {
    #[command(flatten)]
    pub place: Place,
    /// The server's program
    #[arg(long, default_value = "/usr/local/bin/torc")]
    pub torc: String,
    /// Where the directives will be installed
    #[arg(long, default_value = "/etc/torc")]
    pub config_dir: String,
    /// maxmemory, over all instances: 64G, 512M
    #[arg(long, value_parser = knob::size)]
    pub memory: Option<u64>,
    /// Clients at one time, of each instance
    #[arg(long, default_value_t = 10_000)]
    pub maxclients: u32,
    /// A user that exists [default: one that systemd makes while the service runs]
    #[arg(long)]
    pub user: Option<String>,
    /// Write directives for so many instances of torc@.service too, the cores and the memory dealt out among them
    #[arg(long, default_value_t = 0)]
    pub instances: usize,
    /// Write files into this folder in place of stdout
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Sysctl {
    #[command(flatten)]
    pub place: Place,
    /// Write 60-torc.conf into this folder in place of stdout
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Measure {
    /// Knobs by their short names [default: a list of those that can be measured]
    pub knobs: Vec<String>,
    /// All that this host has
    #[arg(long, conflicts_with = "knobs")]
    pub all: bool,
    /// Only tell what can be measured here
    #[arg(long)]
    pub list: bool,
    /// Rounds, each with every setting once; fewer than 5 show no effect
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
    /// How long each run is
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// CPUs of the server's shards [default: the first half]
    #[arg(long, value_parser = cpu_list)]
    pub cpus: Option<Cpus>,
    /// CPUs of the load [default: the others]
    #[arg(long, value_parser = cpu_list)]
    pub load_cpus: Option<Cpus>,
    /// The folder of records [default: benches/record]
    #[arg(long)]
    pub records: Option<PathBuf>,
    /// Only print
    #[arg(long, conflicts_with = "records")]
    pub no_record: bool,
    /// Put the rows that follow into this file, tuning/src/effects.toml, each in its knob's place
    #[arg(long, value_name = "FILE", conflicts_with = "no_record")]
    pub effects: Option<PathBuf>,
    /// The record's host [default: its kind, such as vm-2vcpu]
    #[arg(long)]
    pub host: Option<String>,
    /// Measure on a busy machine too; the record says so
    #[arg(long)]
    pub anyway: bool,
    /// The server's program [default: beside this one, else by PATH]
    #[arg(long)]
    pub torc: Option<PathBuf>,
    /// The load generator [default: beside this one, else by PATH]
    #[arg(long)]
    pub load: Option<PathBuf>,
    /// Where what is set for a while is kept, to be put back [default: /var/lib/torc-tune/measure.json]
    #[arg(long)]
    pub state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Advise {
    /// A scenario of torc-load's, its file or its name [default: 10 GETs to a SET over 100,000 keys of 100-byte values]
    #[arg(long, value_name = "FILE|NAME")]
    pub workload: Option<String>,
    /// Memory for the server, all of it: 64G, 512M [default: what this host, or its control group, has]
    #[arg(long, value_parser = knob::size)]
    pub memory: Option<u64>,
    /// What is to be reached: rate=200k, p99=1ms, or both with a comma
    #[arg(long, value_parser = crate::advise::Target::parse)]
    pub target: Option<crate::advise::Target>,
    /// Clients at one time
    #[arg(long, default_value_t = 10_000)]
    pub clients: u32,
    /// CPUs that shards may have [default: all usable ones]
    #[arg(long, value_parser = cpu_list)]
    pub cpus: Option<Cpus>,
    /// How long each run is
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
    /// The server's program [default: beside this one, else by PATH]
    #[arg(long)]
    pub torc: Option<PathBuf>,
    /// The load generator [default: beside this one, else by PATH]
    #[arg(long)]
    pub load: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(s) if (0.1..=3600.0).contains(&s) => Ok(s),
        _ => Err(format!("'{text}' is not a number of seconds from 0.1 to 3600")),
    }
}

fn cpu_list(text: &str) -> Result<Cpus, String> {
    cpus::list(text).map(Cpus).ok_or_else(|| format!("'{text}' is not a list of CPUs like 2-5,8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
        let options = Options::parse_from(["torc-tune", "check", "--cpus", "2-3,8", "--json"]);
        let What::Check(check) = options.what else { panic!("check") };
        assert_eq!(check.place.asked().cpus, Some(vec![2, 3, 8]));
    }
}
