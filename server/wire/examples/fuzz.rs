//! Runs the parsers' fuzz harness for so many seconds from a seed: `fuzz SECONDS SEED`. A failure prints its seed.

#[path = "../tests/harness/mod.rs"]
mod harness;

fn main() {
    let number = |i: usize, otherwise: u64| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(otherwise);
    let (seconds, mut seed) = (number(1, 10), number(2, 1));
    let start = std::time::Instant::now();
    let first = seed;
    while start.elapsed().as_secs() < seconds {
        harness::run(seed);
        seed += 1;
    }
    println!("{} streams of each dialect, seeds {first}..{seed}, no difference", seed - first);
}
