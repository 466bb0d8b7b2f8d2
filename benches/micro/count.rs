//! Room: benches, micro. Runs one case a set number of times and says nothing: what `torc-bench regress --short` puts under a
//! counter of instructions. `count --list` names the cases; `count NAME OPERATIONS` runs one.
//!
//! Everything is done from fixed seeds and without a clock, so that the same code executes the same instructions.

#[allow(dead_code, reason = "criterion uses more of it")]
mod cases;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Few enough that filling takes a blink under callgrind, which is 50 times slower than the CPU.
const KEYS: u64 = 5000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => cases::all().iter().for_each(|case| println!("{}", case.name)),
        [name, operations] => {
            let (all, operations) = (cases::all(), operations.parse());
            let (Some(case), Ok(operations)) = (all.iter().find(|case| case.name == name), operations) else {
                eprintln!("count: no case '{name}', or '{}' is no number", words[1]);
                return ExitCode::from(64);
            };
            (case.make)(KEYS)(operations);
        }
        _ => {
            eprintln!("usage: count --list | count NAME OPERATIONS");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}
