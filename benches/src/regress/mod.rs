//! Room: benches. `torc-bench regress`: is this tree slower than a base commit? Touches: git, cargo.
//!
//! `timing` runs both servers in interleaved rounds and fails only when the whole interval of a ratio lies beyond the set
//! loss. `count` counts instructions of the server's functions, which noise does not touch, in both trees; `recorded` counts them
//! in this one and compares with what is committed, for CI.

mod count;
mod recorded;
mod timing;
mod tree;

use clap::Args;
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub struct Regress {
    /// The commit to compare with; it is built in a git worktree under target/regress
    #[arg(long, value_name = "COMMIT", required_unless_present_any = ["base_bin", "recorded"])]
    base: Option<String>,
    /// What may be lost: a case fails when the whole 95 % interval of its ratio is beyond it (with --short: the mean of all)
    #[arg(long, value_parser = percent, default_value = "3%", value_name = "SHARE")]
    max_loss: f64,
    /// Fewer and shorter rounds
    #[arg(long)]
    quick: bool,
    /// Count the instructions of each function in place of timing servers: minutes in place of half an hour, and noise cannot
    /// fail it
    #[arg(long)]
    short: bool,
    /// Count them in this tree alone and compare with benches/counts.toml: no base is built
    #[arg(long, conflicts_with_all = ["base", "base_bin", "short"])]
    recorded: bool,
    /// With --recorded: write what was counted into benches/counts.toml in place of comparing with it
    #[arg(long)]
    renew: bool,
    /// With --short or --recorded: what one case may lose, whatever the mean
    #[arg(long, value_parser = percent, default_value = "10%", value_name = "SHARE")]
    max_loss_case: f64,
    /// With --short or --recorded: only cases whose names hold this
    #[arg(long, default_value = "", value_name = "TEXT")]
    case: String,
    /// A base server that is built already
    #[arg(long, value_name = "PROGRAM", conflicts_with = "short")]
    base_bin: Option<PathBuf>,
    /// This tree's server, built already
    #[arg(long, value_name = "PROGRAM", conflicts_with = "short")]
    this_bin: Option<PathBuf>,
    /// Rounds at most; fewer when the interval is narrow enough before [default: 25, --quick: 7]
    #[arg(long)]
    rounds: Option<usize>,
    /// Of one run [default: 2, --quick: 0.5]
    #[arg(long)]
    seconds: Option<f64>,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
}

/// What was found, as text, and whether too much was lost.
pub struct Verdict {
    pub text: String,
    pub lost: bool,
}

pub fn run(options: &Regress) -> Result<Verdict, String> {
    if options.renew && !options.recorded {
        return Err("--renew goes with --recorded".into());
    }
    match (options.recorded, options.short) {
        (true, _) => recorded::run(options),
        (_, true) => count::run(options),
        _ => timing::run(options),
    }
}

/// `3%` or `0.03`.
fn percent(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_err(|_| format!("'{text}' is no share: 3% or 0.03"))? / unit;
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err(format!("'{text}' is not between 0 and 100 %")) }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn shares_are_read() {
        for (text, share) in [("3%", 0.03), ("0.05", 0.05), ("12.5 %", 0.125), ("0", 0.0)] {
            assert_eq!(percent(text), Ok(share), "{text}");
        }
        for wrong in ["", "x%", "-1%", "100%", "3", "NaN"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
