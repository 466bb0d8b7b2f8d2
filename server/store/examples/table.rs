//! Prints what the store takes in time and memory: `cargo run --release -p store --example table`.
//! Keys of 16 bytes, values of 32, in random order; memory as the process's growth beyond key and value.

use base::DbId;
use std::hint::black_box;
use std::time::Instant;
use store::{Put, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DB: DbId = DbId::ZERO;
const VALUE: [u8; 32] = [b'v'; 32];

/// Resident bytes of the process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = text.split(' ').nth(1).and_then(|word| word.parse::<usize>().ok()).expect("a number");
    pages * 4096
}

fn key(i: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = i;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

struct Steps(u64);

impl Steps {
    /// 0 .. n, by xorshift64*.
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * u128::from(n)) >> 64) as u64
    }
}

/// CPU time of this thread, ns: other work on the machine disturbs it less than the clock.
fn cpu_ns() -> u64 {
    // Gives way first, so that the kernel brings its account up to date.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
}

fn timed(name: &str, count: u64, mut work: impl FnMut(u64)) {
    let start = cpu_ns();
    (0..count).for_each(&mut work);
    print!("{name} {:.0} ns  ", (cpu_ns() - start) as f64 / count as f64);
}

fn main() {
    // A process for each size: memory that one has freed would be another's.
    if let Some(keys) = std::env::args().nth(1) {
        return run(keys.parse().expect("a number of keys"));
    }
    let this = std::env::current_exe().expect("a path");
    for keys in ["1000000", "1500000", "2000000", "3000000", "4000000"] {
        std::process::Command::new(&this).arg(keys).status().expect("runs itself");
    }
}

fn run(keys: u64) {
    {
        let before = resident();
        let mut store = Store::new(StoreOptions { databases: 16, seed: 7, hash_seed: 7 });
        let mut worst = 0;
        print!("{keys} keys, ns of CPU: ");
        let mut last = Instant::now();
        timed("insert", keys, |i| {
            store.cell(DB, &key(i), 0).put(&VALUE, Put::default());
            let now = Instant::now();
            worst = worst.max((now - last).as_micros());
            last = now;
        });
        print!("(worst {worst} µs)  ");
        let rss = (resident() - before) as f64 / keys as f64 - 48.0;
        let counted = store.bytes() as f64 / keys as f64 - 48.0;

        // What memory itself takes: one random line of as many bytes as the entries have, after another.
        let mut lines = vec![0u64; keys as usize * 7];
        let mut steps = Steps(99);
        lines.iter_mut().enumerate().for_each(|(i, line)| *line = i as u64 & 7);
        let mut at = 0;
        timed("a random line", 1_000_000, |_| {
            at = black_box(lines[at ^ ((steps.below(keys * 7 - 8) as usize) % lines.len())] as usize)
        });
        drop(lines);

        let asks: Vec<[u8; 16]> = (0..1_000_000).map(|_| key(steps.below(keys))).collect();
        let misses: Vec<[u8; 16]> = (0..1_000_000).map(|_| key(keys + steps.below(keys))).collect();
        let n = asks.len() as u64;
        timed("get", n, |i| {
            black_box(store.read(DB, &asks[i as usize], i / 1000, true).map(|entry| entry.bytes()[0]));
        });
        timed("miss", n, |i| {
            black_box(store.read(DB, &misses[i as usize], i / 1000, true).is_some());
        });
        timed("batch of 16", n / 16, |i| {
            let batch = &asks[i as usize * 16..][..16];
            batch.iter().for_each(|key| store.prefetch(DB, key));
            batch.iter().for_each(|key| store.prefetch_entry(DB, key));
            for key in batch {
                black_box(store.read(DB, key, i / 1000, true).map(|entry| entry.bytes()[0]));
            }
        });
        timed("set", n, |i| {
            store.cell(DB, &asks[i as usize], i / 1000).put(&VALUE, Put::default());
        });
        println!();
        println!(
            "    beyond key and value: {rss:.1} B resident, {counted:.1} counted, {:.1} spare",
            store.spare_bytes() as f64 / keys as f64
        );
        drop(store);
    }
}
